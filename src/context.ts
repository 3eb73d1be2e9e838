/** What a handler gets beside the caller's input. */
import type { Kysely } from 'kysely'
import type * as contract from './contract/types.ts'
import type { Tables } from './database/tables.ts'

export interface Context {
  /** The database, or the transaction that the request belongs to. */
  db: Kysely<Tables>
  /** When the work began; a retry after a conflict begins anew. */
  now: Date
  limits: Limits
  /** Runs `work` once the response is certain, outside of any transaction; of several with one name, only the last. */
  afterwards(name: string, work: (db: Kysely<Tables>) => Promise<void>): void
}

/** What bounds a handler's work. */
export interface Limits {
  /** For how many milliseconds a deleted task can be restored. */
  tombstoneRetention: number
  /** How many bytes of text a page may hold. */
  pageBytes: number
  quotas: Quotas
}

/** How much each user may keep; what counts towards it is in the row of the user's counter. */
export interface Quotas {
  /** Live tasks. */
  tasks: number
  /** Tombstones; beyond them the oldest are purged. */
  tombstones: number
  /** Bytes of the responses that are kept for idempotency keys. */
  keyBytes: number
}

export type Handler<Op extends contract.OperationId> = contract.Handler<Op, Context>
export type Handlers = contract.Handlers<Context>
