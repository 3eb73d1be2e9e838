/** What a handler gets besides the caller's input. */
import type { Kysely } from 'kysely'
import type * as contract from './contract/types.ts'
import type { Tables } from './database/tables.ts'

export interface Context {
  /** The database, or the transaction that the request belongs to. */
  db: Kysely<Tables>
  /** The current time. */
  now(): Date
  limits: Limits
  /** Runs `work` once the request's outcome is certain, outside of any transaction; for each name, only the last. */
  afterwards(name: string, work: (db: Kysely<Tables>) => Promise<void>): void
}

/** The limits that handlers apply. */
export interface Limits {
  /** How many milliseconds a deleted task can be restored. */
  tombstoneRetention: number
  /** Maximum number of bytes of text in a page. */
  pageBytes: number
  /** Maximum number of tasks that a page with filters reads. */
  scannedTasks: number
  quotas: Quotas
}

/** How much each user may store; the row of the user's counter has the current amounts. */
export interface Quotas {
  /** Live tasks. */
  tasks: number
  /** Tombstones; beyond them the oldest are purged. */
  tombstones: number
  /** Bytes of the responses kept for idempotency keys. */
  keyBytes: number
}

export type Handler<Op extends contract.OperationId> = contract.Handler<Op, Context>
export type Handlers = contract.Handlers<Context>
