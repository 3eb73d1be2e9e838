/** The tables as the code sees them; `migrations/` is where they are made. */
import type { Generated } from 'kysely'

/** Timestamps and bigints leave the driver in the contract's form: RFC 3339 text and numbers. */
export interface Tables {
  task: TaskTable
  user_clock: UserClockTable
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

/** One row for each user with tasks: the number of the user's last write. */
export interface UserClockTable {
  user_id: string
  revision: number
}

/** One row, written by the health check. */
export interface HeartbeatTable {
  id: number
  beaten_at: string
}
