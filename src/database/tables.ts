/** The types of the tables, which `migrations/` create. */
import type { Generated, JSONColumnType } from 'kysely'

/** Timestamps and bigints leave the driver in the contract's form: RFC 3339 text and numbers. */
export interface Tables {
  task: TaskTable
  user_clock: UserClockTable
  idempotency_key: IdempotencyKeyTable
  job: JobTable
  heartbeat: HeartbeatTable
}

/** A date as the contract has it. */
interface DateParts {
  date: string
  time: string | null
  time_zone: string | null
  at: string | null
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
  /** The user's clock at the row's last write. */
  revision: number
  due: JSONColumnType<DateParts> | null
  /** The key by which lists are sorted and filtered by due date: see `sortKey`. */
  due_key: Generated<string>
  start: JSONColumnType<DateParts> | null
  /** 0 is none, 4 is urgent. */
  priority: Generated<number>
  tags: Generated<string[]>
  /** The default is for replicas of versions without positions. */
  position: Generated<string>
  /** The texts as search compares them, if they are not plain ASCII. */
  title_folded: string | null
  description_folded: string | null
  /** Set on a tombstone: a deleted task that is kept to be restored, and for clients that synchronise. */
  deleted_at: Generated<string | null>
}

/** One row for each user who has written: the last revision, and the counters that its lock protects. */
export interface UserClockTable {
  user_id: string
  revision: number
  /** The newest revision of a purged tombstone. */
  purged_revision: Generated<number>
  /** The number of live tasks, and of tombstones. */
  live: Generated<number>
  tombstones: Generated<number>
  /** The bytes that the responses kept for the user's idempotency keys take. */
  key_bytes: Generated<number>
  /** Part of every sync token: a token of another epoch refers to data that no longer exist. */
  epoch: Generated<number>
}

/** A request with an idempotency key, and its response. */
export interface IdempotencyKeyTable {
  user_id: string
  key: string
  /** Identifies the request: a different request with the same key is an error. */
  fingerprint: string
  /** Null while the request is in progress, which only its own transaction sees. */
  status: number | null
  headers: JSONColumnType<Record<string, string>> | null
  body: string | null
  created_at: string
  /** The row's share of `key_bytes`. */
  stored_bytes: Generated<number>
}

/** A background job, which one replica at a time runs, and when it may run again. */
export interface JobTable {
  name: string
  not_before: string
}

/** One row, written by the health check. */
export interface HeartbeatTable {
  id: number
  beaten_at: string
}
