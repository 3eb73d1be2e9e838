/** What ends the process: signals, the end of npm's shell, and uncaught errors. */
import type { Logger } from 'pino'
import { parent, takeSignals } from './early-signals.ts'

/** Milliseconds between two checks whether npm's shell is still running. */
const PARENT_CHECK_INTERVAL = 250

/** Milliseconds from `forceClosing` until the process exits. */
const EXIT_DELAY = 1000

export interface StopOptions {
  /** Milliseconds in which requests are served as before. */
  drainDelay: number
  /** Milliseconds that requests in flight have after that. */
  shutdownTimeout: number
  /** Whether npm's shell is the parent of this process. */
  isNpmScript: boolean
}

export interface Stop {
  /** Aborted at the first signal: finish the requests in flight. */
  stopping: AbortSignal
  /** Aborted `drainDelay` and `shutdownTimeout` later, or at the second signal: close all connections. */
  forceClosing: AbortSignal
}

/** Handles SIGTERM, SIGINT and uncaught errors from now on. */
export function watchSignals({ drainDelay, shutdownTimeout, isNpmScript }: StopOptions, log: Logger): Stop {
  const stopping = new AbortController()
  const forceClosing = new AbortController()

  const forceClose = () => {
    forceClosing.abort()
    setTimeout(() => process.exit(), EXIT_DELAY).unref()
  }
  const begin = () => {
    setTimeout(forceClose, drainDelay + shutdownTimeout).unref()
    stopping.abort()
  }
  const stop = (signal: NodeJS.Signals) => {
    if (stopping.signal.aborted) return forceClose()
    log.info(`${signal} received: finishing requests in flight`)
    begin()
  }

  takeSignals(stop)
  if (isNpmScript) {
    // npm passes signals to its shell, which exits without passing them on: its end is the signal.
    const check = () => process.ppid !== parent && !stopping.signal.aborted && stop('SIGTERM')
    setInterval(check, PARENT_CHECK_INTERVAL).unref()
  }
  // Unhandled rejections end here too. Requests in flight may finish, but the process is no longer reliable.
  process.on('uncaughtException', err => {
    process.exitCode = 1
    log.fatal({ err }, 'unexpected error: shutting down')
    if (!stopping.signal.aborted) begin()
  })
  return { stopping: stopping.signal, forceClosing: forceClosing.signal }
}
