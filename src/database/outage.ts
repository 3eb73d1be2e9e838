/** Tells the log when the database goes away and when it is back: once each, not with every request. */
import type { Logger } from 'pino'
import { describeError } from './errors.ts'

export interface OutageLog {
  /** A request was answered 503 for this error. */
  failed(error: unknown): void
  /** A request was answered with the database's help. */
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
      log.error({ error: describeError(error) }, 'the database does not answer: requests that need it are answered 503')
    },
    succeeded() {
      if (since === undefined) return
      const seconds = Math.round((performance.now() - since) / 100) / 10
      log.info({ refused, seconds }, 'the database answers again')
      since = undefined
      refused = 0
    },
  }
}
