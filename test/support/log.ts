/** A log whose lines a test waits for. */
import { pino } from 'pino'

/** A log, and a way to wait for its next line. */
export function createLog() {
  const lines: { msg: string; error?: string }[] = []
  let next = Promise.withResolvers<void>()
  const write = (line: string) => {
    lines.push(JSON.parse(line))
    next.resolve()
  }
  const line = async (index: number) => {
    while (lines[index] === undefined) {
      next = Promise.withResolvers()
      await next.promise
    }
    return lines[index]
  }
  return { log: (level: string) => pino({ level, base: null }, { write }), line }
}
