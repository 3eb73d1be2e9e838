/** Requests to any of the servers over an unreliable network, with retries. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { type Answer, createSend, type Request, type Send } from './send.ts'

/** One in so many responses to a request with a key is treated as lost. */
const LOST = 10
/** Minimum wait after a failure, in milliseconds, as Retry-After asks; at most twice as long. */
const BACK_OFF = 1_000

export interface Requests {
  send: Send
  /**
   * Sends the request with an Idempotency-Key until there is a response or `signal` aborts. Now and then it retries
   * even after a response, like a client that did not receive it: a different response is a finding.
   */
  sendUntilResponse(request: Request, signal: AbortSignal): Promise<Answer | undefined>
}

/**
 * @param origins returns the current servers
 * @param forgetsKeys retries with a different key, which has the effect of a service that forgot the first
 */
export function createRequests(origins: () => string[], findings: string[], forgetsKeys: boolean): Requests {
  const send = createSend(origins, findings)

  function expectSame({ method, path }: Request, answer: Answer, again: Answer | undefined): void {
    if (again === undefined || isInProgress(again) || isDeepStrictEqual(again, answer)) return
    findings.push(
      `${method} ${path} returned ${JSON.stringify(answer)}, and with the same key ${JSON.stringify(again)}`,
    )
  }

  return {
    send,
    async sendUntilResponse(request, signal) {
      let key = randomUUID()
      const sendKeyed = () => send({ ...request, headers: { ...request.headers, 'idempotency-key': key } })
      while (!signal.aborted) {
        const answer = await sendKeyed()
        if (forgetsKeys) key = randomUUID()
        if (answer !== undefined && !isInProgress(answer)) {
          if (Math.random() * LOST < 1) expectSame(request, answer, await sendKeyed())
          return answer
        }
        await backOff()
      }
      return undefined
    },
  }
}

const isInProgress = ({ body }: Answer) => body?.code === 'idempotency_key_in_use'

export const backOff = (): Promise<void> => sleep(BACK_OFF + Math.random() * BACK_OFF)
