/** The log: pretty on a terminal, JSON lines otherwise. */
import { type Logger, pino } from 'pino'
import pretty from 'pino-pretty'

export function createLogger(level: string): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  return process.stdout.isTTY ? pino(options, pretty({ sync: true, translateTime: 'SYS:HH:MM:ss.l' })) : pino(options)
}
