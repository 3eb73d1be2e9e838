/** Logs the beginning and the end of a database outage, once each instead of with every request. */
import type { Logger } from 'pino'
import { describeError } from './errors.ts'

export interface OutageLog {
  /** A request got 503 because of this error. */
  failed(error: unknown): void
  /** A request used the database successfully. */
  succeeded(): void
}

export function createOutageLog(log: Pick<Logger, 'error' | 'info'>): OutageLog {
  let since: number | undefined
  let refused = 0
  return {
    failed(error) {
      refused += 1
      if (since !== undefined) return
      since = performance.now()
      log.error({ error: describeError(error) }, 'the database is unavailable: requests that need it get 503')
    },
    succeeded() {
      if (since === undefined) return
      const seconds = Math.round((performance.now() - since) / 100) / 10
      log.info({ refused, seconds }, 'the database is available again')
      since = undefined
      refused = 0
    },
  }
}
