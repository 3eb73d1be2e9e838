/** Retries of requests, and the texts of errors. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Result } from './api.ts'

const ATTEMPTS = 5
/** Milliseconds before the second attempt, doubled before each further one. */
const FIRST_PAUSE = 100

/** The server is unreachable or overloaded. Nothing is lost; the next `sync` continues. */
export class Offline extends Error {
  override readonly name = 'Offline'
}

/**
 * Retries a request that got no response or a temporary error: a timeout, too many requests, a server error, or a key
 * whose first request is still in progress.
 * @throws Offline after the last attempt
 */
export async function withRetries<Data>(request: () => Promise<Result<Data>>): Promise<Result<Data>> {
  let reason = ''
  for (let count = 0; count < ATTEMPTS; count += 1) {
    let pause = FIRST_PAUSE * 2 ** count
    try {
      const result = await request()
      const { status, headers } = result.response
      const isTemporary =
        status === 408 || status === 429 || status >= 500 || result.error?.code === 'idempotency_key_in_use'
      if (!isTemporary) return result
      reason = `the server returned ${status}`
      pause = Math.max(pause, readRetryAfter(headers.get('retry-after')))
    } catch (error) {
      // fetch throws if no response arrives; the request may have arrived all the same.
      reason = (error as Error).message
    }
    if (count < ATTEMPTS - 1) await sleep(pause)
  }
  throw new Offline(reason)
}

/** Converts to milliseconds; the header has seconds or a date (RFC 9110, 10.2.3). */
const readRetryAfter = (text: string | null) =>
  (/^[0-9]+$/.test(text ?? '') ? Number(text) * 1000 : Date.parse(text ?? '') - Date.now()) || 0

export const describe = ({ status }: Response, problem: Result<unknown>['error']): string =>
  problem?.code === undefined ? `The server returned ${status}.` : `${problem.code}: ${problem.detail}`
