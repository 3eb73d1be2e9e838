/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): a request with a key is executed once; retries get
 * its response. Key, write and response are one transaction, so that no crash leaves one without the others.
 */
import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import { Problem } from '../contract/problem.ts'
import type { Tables } from '../database/tables.ts'
import * as keys from './queries.ts'

export type { KeyedRequest, StoredResponse } from './queries.ts'

/** The key itself: quoted, as the draft has it (a string of RFC 8941), or bare. */
export const readKey = (header: string): string =>
  header.startsWith('"') ? header.slice(1, -1).replaceAll(/\\(.)/g, '$1') : header

/** Identifies a request, regardless of the order of the members of its objects. */
export const fingerprint = (request: unknown): string =>
  createHash('sha256').update(JSON.stringify(request, sortMembers)).digest('base64url')

const sortMembers = (_name: string, value: unknown) =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value

/** The limits on stored responses. */
export interface KeyLimits {
  /** How many milliseconds they are kept. */
  lifetime: number
  /** Maximum number of bytes of one response, and of all responses of a user. */
  responseBytes: number
  userBytes: number
}

/**
 * Executes `work`, unless a request with the key was executed within the lifetime; then returns its response.
 * @param work gets the transaction; if its response is a problem, it has changed no task
 * @throws Problem if the key is in use or belongs to a different request, or if the response cannot be kept
 */
export async function executeOnce(
  db: Kysely<Tables>,
  request: keys.KeyedRequest,
  { lifetime, responseBytes, userBytes }: KeyLimits,
  now: () => Date,
  work: (db: Kysely<Tables>) => Promise<keys.StoredResponse>,
): Promise<keys.StoredResponse> {
  const time = now().getTime()
  const response = await db.transaction().execute(async transaction => {
    const taken = await keys.take(transaction, request, toTimestamp(time), toTimestamp(time - lifetime))
    if (taken === 'in use') throw inUse()
    if (!taken) return undefined
    const response = await work(transaction)
    // Throwing rolls the request back, because a retry could not get its response.
    if (Buffer.byteLength(response.body ?? '') > responseBytes) throw tooLargeToKeep(responseBytes)
    if (!(await keys.complete(transaction, request, response, userBytes))) throw tooManyKeyBytes(userBytes)
    return response
  })
  return response ?? replay(await keys.find(db, request), request)
}

const toTimestamp = (time: number) => new Date(time).toISOString()

function replay(earlier: Awaited<ReturnType<typeof keys.find>>, request: keys.KeyedRequest): keys.StoredResponse {
  // The key was purged in the meantime; a retry executes the request.
  if (earlier === undefined) throw inUse()
  if (earlier.fingerprint !== request.fingerprint) {
    throw new Problem(
      'idempotency_key_reused',
      'This Idempotency-Key belongs to another request. Send a new key with a new request.',
    )
  }
  const { status, headers, body } = earlier
  return { status, headers: { ...headers, 'Idempotent-Replayed': 'true' }, body }
}

const inUse = () =>
  new Problem(
    'idempotency_key_in_use',
    'A request with this Idempotency-Key is still in progress. Retry to get its response.',
  )

const tooManyKeyBytes = (quota: number) =>
  new Problem(
    'quota_exceeded',
    `The responses kept for your idempotency keys may take at most ${quota} bytes. ` +
      'Nothing was changed. Wait until older ones expire, or send the request without a key.',
  )

const tooLargeToKeep = (limit: number) =>
  new Problem(
    'quota_exceeded',
    `The response to a request with an Idempotency-Key may have at most ${limit} bytes, and this one has more. ` +
      'Nothing was changed. Split the batch.',
  )
