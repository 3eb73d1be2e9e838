/** The log: pretty on a terminal, JSON lines otherwise. */
import { type Logger, pino } from 'pino'
import pretty from 'pino-pretty'

/** @param output where the log goes; whether it is a terminal decides on the form */
export function createLogger(level: string, output: NodeJS.WriteStream = process.stdout): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (!output.isTTY) return pino(options, output)
  return pino(options, pretty({ destination: output, translateTime: 'SYS:HH:MM:ss.l' }))
}
