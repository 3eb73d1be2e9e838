/** The log: pretty on a terminal, JSON lines otherwise. */
import { type Logger, pino } from 'pino'

/** @param output where the log is written; the format depends on whether it is a terminal */
export async function createLogger(level: string, output: NodeJS.WriteStream = process.stdout): Promise<Logger> {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (!output.isTTY) return pino(options, output)
  // Loaded only if needed: without it, the service starts faster.
  const { default: pretty } = await import('pino-pretty')
  return pino(options, pretty({ destination: output, translateTime: 'SYS:HH:MM:ss.l' }))
}
