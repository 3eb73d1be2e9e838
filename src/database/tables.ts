/** The tables as the code sees them; `migrations/` is where they are made. */
import type { Generated, JSONColumnType } from 'kysely'

/** Timestamps and bigints leave the driver in the contract's form: RFC 3339 text and numbers. */
export interface Tables {
  task: TaskTable
  user_clock: UserClockTable
  idempotency_key: IdempotencyKeyTable
  job: JobTable
  heartbeat: HeartbeatTable
}

export interface TaskTable {
  user_id: string
  id: string
  title: string
  description: string | null
  completed: boolean
  completed_at: string | null
  created_at: string
  updated_at: string
  /** The user's clock at the write that made this row what it is. */
  revision: number
  /** Set on a tombstone: a deleted task that is kept for those who still have to learn of it. */
  deleted_at: Generated<string | null>
}

/** One row for each user who has written: the number of the last write, and what is counted under its lock. */
export interface UserClockTable {
  user_id: string
  revision: number
  /** The newest revision of a tombstone that is purged. */
  purged_revision: Generated<number>
  /** How many live tasks and how many tombstones the user has. */
  live: Generated<number>
  tombstones: Generated<number>
  /** How much the responses kept for the user's idempotency keys take, in bytes. */
  key_bytes: Generated<number>
  /** Part of every sync token: tokens of another epoch are of data that are gone. */
  epoch: Generated<number>
}

/** A request of a user that was done, and what it was answered. */
export interface IdempotencyKeyTable {
  user_id: string
  key: string
  /** Of the request: another one with the same key is a mistake. */
  fingerprint: string
  /** Null while the request is at work, which only its own transaction sees. */
  status: number | null
  headers: JSONColumnType<Record<string, string>> | null
  body: string | null
  created_at: string
  /** What the row counts for in `key_bytes`. */
  stored_bytes: Generated<number>
}

/** What one replica at a time does in the background, and from when on it may be done again. */
export interface JobTable {
  name: string
  not_before: string
}

/** One row, written by the health check. */
export interface HeartbeatTable {
  id: number
  beaten_at: string
}
