/** The log: pretty on a terminal, JSON lines otherwise. */
import { type Logger, pino } from 'pino'

/** @param output where the log goes; whether it is a terminal decides on the form */
export async function createLogger(level: string, output: NodeJS.WriteStream = process.stdout): Promise<Logger> {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (!output.isTTY) return pino(options, output)
  // Only people need it: a service that logs JSON starts sooner without loading it.
  const { default: pretty } = await import('pino-pretty')
  return pino(options, pretty({ destination: output, translateTime: 'SYS:HH:MM:ss.l' }))
}
