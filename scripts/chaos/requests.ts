/** Requests to one of the servers, over a network that cannot be relied on. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { type Answer, createSend, type Request, type Send } from './send.ts'

/** One in so many answers to a request with a key is taken as lost. */
const LOST = 10
/** How long to wait after a failure, in milliseconds, as Retry-After asks; and up to as long again. */
const BACK_OFF = 1_000

export interface Requests {
  send: Send
  /**
   * Sends it with an Idempotency-Key until it is answered, or `signal` aborts. Now and then it is repeated after its answer,
   * as by a client that the answer did not reach: another answer is a finding.
   */
  sendUntilAnswered(request: Request, signal: AbortSignal): Promise<Answer | undefined>
}

/**
 * @param origins of the servers now
 * @param forgetsKeys repeats with another key, which does what a service would do that has forgotten the first
 */
export function createRequests(origins: () => string[], findings: string[], forgetsKeys: boolean): Requests {
  const send = createSend(origins, findings)

  function expectSame({ method, path }: Request, answer: Answer, again: Answer | undefined): void {
    if (again === undefined || isAtWork(again) || isDeepStrictEqual(again, answer)) return
    findings.push(
      `${method} ${path} was answered ${JSON.stringify(answer)}, and with the same key ${JSON.stringify(again)}`,
    )
  }

  return {
    send,
    async sendUntilAnswered(request, signal) {
      let key = randomUUID()
      const sendKeyed = () => send({ ...request, headers: { ...request.headers, 'idempotency-key': key } })
      while (!signal.aborted) {
        const answer = await sendKeyed()
        if (forgetsKeys) key = randomUUID()
        if (answer !== undefined && !isAtWork(answer)) {
          if (Math.random() * LOST < 1) expectSame(request, answer, await sendKeyed())
          return answer
        }
        await backOff()
      }
      return undefined
    },
  }
}

const isAtWork = ({ body }: Answer) => body?.code === 'idempotency_key_in_use'

export const backOff = (): Promise<void> => sleep(BACK_OFF + Math.random() * BACK_OFF)
