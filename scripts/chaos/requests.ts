/** Requests to one of the servers, over a network that cannot be relied on. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

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
  /** Sends it with an Idempotency-Key until it is answered, or `signal` aborts. */
  sendUntilAnswered(request: Request, signal: AbortSignal): Promise<Answer | undefined>
}

/** @param origins of the servers now */
export function createRequests(origins: () => string[], findings: string[]): Requests {
  async function send({ method, path, body, headers }: Request): Promise<Answer | undefined> {
    const choices = origins()
    const origin = choices[Math.floor(Math.random() * choices.length)]
    const response = await fetch(origin + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    })
      .then(async answer => ({ status: answer.status, text: await answer.text() }))
      // Refused, reset, or cut in the middle of the answer.
      .catch(() => undefined)
    if (response === undefined || response.status === 503) return undefined
    const { status, text } = response
    try {
      return { status, body: text === '' ? undefined : JSON.parse(text) }
    } catch {
      findings.push(`${method} was answered ${status} with what is not JSON: ${text}`)
      return undefined
    }
  }

  return {
    send,
    async sendUntilAnswered(request, signal) {
      const headers = { ...request.headers, 'idempotency-key': randomUUID() }
      while (!signal.aborted) {
        const answer = await send({ ...request, headers })
        if (answer !== undefined && answer.body?.code !== 'idempotency_key_in_use') return answer
        await backOff()
      }
      return undefined
    },
  }
}

export const backOff = (): Promise<void> => sleep(BACK_OFF + Math.random() * BACK_OFF)
