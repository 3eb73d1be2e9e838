/** Requests to one of the servers, over a network that cannot be relied on. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

/** One in so many answers to a request with a key is taken as lost. */
const LOST = 10
/** How long to wait after a failure, in milliseconds, as Retry-After asks; and up to as long again. */
const BACK_OFF = 1_000

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: what came over the wire; what is wrong with it becomes a finding
  body: any
}

export interface Request {
  method: string
  path: string
  body?: unknown
  headers?: Record<string, string>
}

export interface Requests {
  /** Sends it once; undefined where nobody knows what became of it. */
  send(request: Request): Promise<Answer | undefined>
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
  async function send({ method, path, body, headers }: Request): Promise<Answer | undefined> {
    const choices = origins()
    const origin = choices[Math.floor(Math.random() * choices.length)]
    const response = await fetch(origin + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    })
      .then(async answer => ({ status: answer.status, text: await answer.text() }))
      .catch(({ cause }: { cause?: Error }) => {
        // Whatever else it is, the request was refused or reset, or cut in the middle of the answer.
        if (cause?.name === 'HTTPParserError')
          findings.push(`${method}: what was answered is not HTTP: ${cause.message}`)
        return undefined
      })
    if (response === undefined) return undefined
    const { status, text } = response
    try {
      const answer = { status, body: text === '' ? undefined : JSON.parse(text) }
      return status === 503 ? undefined : answer
    } catch {
      findings.push(`${method} was answered ${status} with what is not JSON: ${text}`)
      return undefined
    }
  }

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
