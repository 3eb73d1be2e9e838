/** All SQL on idempotency keys. */
import { type Kysely, sql } from 'kysely'
import { isLockTimeout } from '../database/errors.ts'
import { read, write } from '../database/statement.ts'
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

const taking = write(
  'key_take',
  (db, { userId, key, fingerprint, now, expired }: KeyedRequest & { now: string; expired: string }) =>
    db
      .insertInto('idempotency_key')
      .values({ user_id: userId, key, fingerprint, created_at: now })
      .onConflict(conflict =>
        conflict
          .columns(['user_id', 'key'])
          .doUpdateSet({ fingerprint, created_at: now, status: null, headers: null, body: null })
          .where('idempotency_key.created_at', '<', expired),
      )
      .returning('key'),
)

/**
 * Takes the key for a request that is about to be done, in the transaction that does it; false where it is taken. A
 * transaction that has taken it and is still at work is waited for, as long as the database waits for any lock.
 * @param expired keys from before are free again
 * @returns `at work` where the waiting was in vain; the transaction has failed then
 */
export async function take(db: Db, request: KeyedRequest, now: string, expired: string): Promise<boolean | 'at work'> {
  try {
    return (await taking(db, { ...request, now, expired })).length > 0
  } catch (error) {
    if (isLockTimeout(error)) return 'at work'
    throw error
  }
}

const completing = write(
  'key_complete',
  (
    db,
    {
      userId,
      key,
      status,
      headers,
      body,
    }: Omit<KeyedRequest, 'fingerprint'> & Omit<StoredResponse, 'headers'> & { headers: string },
  ) =>
    db
      .updateTable('idempotency_key')
      .set({ status, headers, body })
      .where('user_id', '=', userId)
      .where('key', '=', key),
)

/** Puts the response to a key that this transaction has taken. */
export async function complete(db: Db, { userId, key }: KeyedRequest, response: StoredResponse): Promise<void> {
  await completing(db, { userId, key, ...response, headers: JSON.stringify(response.headers) })
}

const finding = read(
  'key_find',
  (_db, { userId, key }: { userId: string; key: string }) => sql<{ fingerprint: string } & StoredResponse>`
    select fingerprint, status, headers, body from idempotency_key
    where user_id = ${userId} and key = ${key}`,
)

/** The request that the key belongs to, and its answer; undefined where nothing is known of it. */
export async function find(
  db: Db,
  { userId, key }: KeyedRequest,
): Promise<{ fingerprint: string; response: StoredResponse } | undefined> {
  const [found] = await finding(db, { userId, key })
  if (found === undefined) return undefined
  const { fingerprint, ...response } = found
  return { fingerprint, response }
}
