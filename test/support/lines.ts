/** Connections that respond when a test says so, at a time that the test sets. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Done, PipelineConnection } from '../../src/database/pipeline.ts'
import { createPipelinePool, type PipelinePoolOptions } from '../../src/database/pipeline-pool.ts'

/** The request that a statement belongs to, as a tracer knows it. */
export const request = new AsyncLocalStorage<string>()

export interface Line extends PipelineConnection {
  sent: string[]
  /** The request of each statement, as seen when it was sent. */
  requests: (string | undefined)[]
  answer(error?: Error): void
  answerTwice(error: Error): void
  lose(): void
  isEnded: boolean
  destroyedBy?: Error
}

/** Creates pipelines over such connections. @param refuses whether the connection with this number is refused */
export function createLines(
  options: Partial<PipelinePoolOptions> = {},
  refuses: (number: number) => boolean = () => false,
) {
  const lines: Line[] = []
  const clock = { time: 0 }
  let attempts = 0
  const connect = async () => {
    attempts += 1
    if (refuses(attempts)) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    const waiting: Done[] = []
    let onLost = () => {}
    const line: Line = {
      sent: [],
      requests: [],
      isEnded: false,
      send({ text }, done) {
        line.sent.push(text)
        line.requests.push(request.getStore())
        waiting.push(done)
      },
      answer: error => waiting.shift()?.(error, { rows: [] } as never),
      answerTwice(error) {
        const done = waiting.shift()
        done?.(error, undefined as never)
        done?.(error, undefined as never)
      },
      lose() {
        for (const done of waiting.splice(0)) done(new Error('Connection terminated unexpectedly'), undefined as never)
        onLost()
      },
      onLost(listener) {
        onLost = listener
      },
      destroy(error) {
        line.destroyedBy = error
        for (const done of waiting.splice(0)) done(error, undefined as never)
        onLost()
      },
      async end() {
        line.isEnded = true
      },
    }
    lines.push(line)
    return line
  }
  const pipelines = createPipelinePool({
    connect,
    connections: 2,
    depth: 3,
    patience: 100,
    timeout: 1000,
    lifetime: 10_000,
    idleTime: 5_000,
    sweepInterval: 1,
    now: () => clock.time,
    ...options,
  })
  const query = (text: string) => pipelines.query({ text, values: [], name: undefined })
  const send = (...texts: string[]) => texts.map(query)
  return { lines, clock, pipelines, query, send }
}

/** Waits until the condition holds, at least for a turn of the event loop, in which promises are settled. */
export async function until(holds: () => boolean): Promise<void> {
  do await sleep(5)
  while (!holds())
}

/** The texts of the statements that were sent, by connection. */
export const sentOn = (lines: Line[]) => lines.map(({ sent }) => sent.join(''))

/** Waits until each connection has sent the given texts, and no other. */
export const untilSent = (lines: Line[], ...texts: string[]) => until(() => isDeepStrictEqual(sentOn(lines), texts))
