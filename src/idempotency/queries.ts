/** All SQL on idempotency keys. */
import { type Kysely, sql } from 'kysely'
import { isLockTimeout } from '../database/errors.ts'
import type { Tables } from '../database/tables.ts'

type Db = Kysely<Tables>

/** Whose request it is, and which. */
export interface KeyedRequest {
  userId: string
  key: string
  fingerprint: string
}

/** What was answered, as it goes out. */
export interface StoredResponse {
  status: number
  headers: Record<string, string>
  /** The body's text; null where there is none. */
  body: string | null
}

/**
 * Takes the key for a request that is about to be done, in the transaction that does it; false where it is taken. A
 * transaction that has taken it and is still at work is waited for, as long as the database waits for any lock.
 * @param expired keys from before are free again
 * @returns `at work` where the waiting was in vain; the transaction has failed then
 */
export async function take(
  db: Db,
  { userId, key, fingerprint }: KeyedRequest,
  now: string,
  expired: string,
): Promise<boolean | 'at work'> {
  try {
    const taken = await db
      .insertInto('idempotency_key')
      .values({ user_id: userId, key, fingerprint, created_at: now })
      .onConflict(conflict =>
        conflict
          .columns(['user_id', 'key'])
          .doUpdateSet({ fingerprint, created_at: now, status: null, headers: null, body: null })
          .where('idempotency_key.created_at', '<', expired),
      )
      .returning('key')
      .executeTakeFirst()
    return taken !== undefined
  } catch (error) {
    if (isLockTimeout(error)) return 'at work'
    throw error
  }
}

/** Puts the response to a key that this transaction has taken. */
export async function complete(db: Db, { userId, key }: KeyedRequest, response: StoredResponse): Promise<void> {
  const { status, headers, body } = response
  await db
    .updateTable('idempotency_key')
    .set({ status, headers: JSON.stringify(headers), body })
    .where('user_id', '=', userId)
    .where('key', '=', key)
    .execute()
}

/** The request that the key belongs to, and its answer; undefined where nothing is known of it. */
export async function find(
  db: Db,
  { userId, key }: KeyedRequest,
): Promise<{ fingerprint: string; response: StoredResponse } | undefined> {
  const { rows } = await sql<{ fingerprint: string } & StoredResponse>`
    select fingerprint, status, headers, body from idempotency_key
    where user_id = ${userId} and key = ${key}`.execute(db)
  if (rows[0] === undefined) return undefined
  const { fingerprint, ...response } = rows[0]
  return { fingerprint, response }
}
