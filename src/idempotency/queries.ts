/** All SQL on idempotency keys. */
import { type Kysely, sql } from 'kysely'
import { createEpoch } from '../database/epoch.ts'
import { isLockTimeout } from '../database/errors.ts'
import { read, write } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'

type Db = Kysely<Tables>

/** A request with its user and key. */
export interface KeyedRequest {
  userId: string
  key: string
  fingerprint: string
}

/** A response as it was sent. */
export interface StoredResponse {
  status: number
  headers: Record<string, string>
  /** The body's text; null if there is none. */
  body: string | null
}

const taking = write.maybe<KeyedRequest & { now: string; expired: string }, { key: string }>(
  'key_take',
  ({ userId, key, fingerprint, now, expired }) => sql`
    insert into idempotency_key as k (user_id, key, fingerprint, created_at)
    values (${userId}, ${key}, ${fingerprint}, ${now}::timestamptz)
    on conflict (user_id, key) do update set
      fingerprint = excluded.fingerprint, created_at = excluded.created_at, status = null, headers = null, body = null
    where k.created_at < ${expired}::timestamptz
    returning k.key`,
)

/**
 * Takes the key for a request, in the transaction that executes it; false if it is taken. Waits for a concurrent
 * transaction that has taken it, up to the lock timeout.
 * @param expired keys taken before this time are free again
 * @returns `in use` if the lock timeout expires first; the transaction has failed then
 */
export async function take(db: Db, request: KeyedRequest, now: string, expired: string): Promise<boolean | 'in use'> {
  try {
    return (await taking(db, { ...request, now, expired })) !== undefined
  } catch (error) {
    if (isLockTimeout(error)) return 'in use'
    throw error
  }
}

/** An upper bound on the bytes of a key besides its response: row, index entries, fingerprint. */
const ROW_BYTES = 500

interface CompleteValues extends Omit<StoredResponse, 'headers'> {
  userId: string
  key: string
  headers: string
  bytes: number
  quota: number
}

/** Adds to the bytes kept for the keys of a user who may be new; undefined if that would exceed `quota`. */
export const countBytes = write.maybe<
  { userId: string; more: number; quota: number; epoch: number },
  { key_bytes: number }
>(
  'key_count_bytes',
  ({ userId, more, quota, epoch }) => sql`
    insert into user_clock as c (user_id, revision, key_bytes, epoch) values (${userId}, 0, ${more}, ${epoch})
    on conflict (user_id) do update set key_bytes = c.key_bytes + excluded.key_bytes
    where c.key_bytes + excluded.key_bytes <= ${quota}::bigint
    returning c.key_bytes`,
)

interface Completed {
  /** The bytes that the key counted for before: an expired one that was taken again still has its old ones. */
  before: number
  /** Whether the user's counter was found and has room for them. */
  counted: boolean
}

const completing = write.one<CompleteValues, Completed>(
  'key_complete',
  ({ userId, key, status, headers, body, bytes, quota }) => sql`
    with before as (
      select stored_bytes as bytes from idempotency_key where user_id = ${userId} and key = ${key}
    ), counted as (
      update user_clock as c set key_bytes = c.key_bytes + ${bytes}::int - before.bytes
      from before
      where c.user_id = ${userId} and c.key_bytes + ${bytes}::int - before.bytes <= ${quota}::bigint
      returning c.user_id
    )
    update idempotency_key as k set
      status = ${status}::smallint, headers = ${headers}::jsonb, body = ${body}::text, stored_bytes = ${bytes}::int
    from before
    where k.user_id = ${userId} and k.key = ${key}
    returning before.bytes as before, exists (select from counted) as counted`,
)

/**
 * Stores the response of a key that this transaction has taken, and counts its bytes.
 * @param quota maximum number of bytes of all responses of the user
 * @returns false if the quota is exceeded; the transaction must then not be committed
 */
export async function complete(
  db: Db,
  { userId, key }: KeyedRequest,
  { status, headers, body }: StoredResponse,
  quota: number,
): Promise<boolean> {
  const headersText = JSON.stringify(headers)
  const bytes = ROW_BYTES + Buffer.byteLength(headersText) + Buffer.byteLength(body ?? '')
  const values = { userId, key, status, headers: headersText, body, bytes, quota }
  const { before, counted } = await completing(db, values)
  if (counted) return true
  // The user may have no counter yet.
  const more = bytes - before
  return more <= quota && (await countBytes(db, { userId, more, quota, epoch: createEpoch() })) !== undefined
}

/** The fingerprint and the response of the key's request; undefined if the key is unknown. */
export const find = read.maybe<Pick<KeyedRequest, 'userId' | 'key'>, { fingerprint: string } & StoredResponse>(
  'key_find',
  ({ userId, key }) => sql`
    select fingerprint, status, headers, body from idempotency_key
    where user_id = ${userId} and key = ${key}`,
)
