/**
 * Ends the process with 0 on a signal while the service is loading, which takes half a second (`npm start` loads this
 * first). Node's default exit code, 143, would report a failure, but there is nothing to finish yet.
 */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** The process that started this one. */
export const parent = process.ppid

const exit = () => process.exit(0)
for (const signal of SIGNALS) process.on(signal, exit)

/** Calls `listener` on signals from now on. */
export function takeSignals(listener: (signal: NodeJS.Signals) => void): void {
  for (const signal of SIGNALS) process.on(signal, listener).off(signal, exit)
}
