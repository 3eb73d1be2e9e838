/**
 * Loaded before the service (`npm start`): loading takes half a second, and a signal in it would end the process with 143,
 * as if it had failed. There is nothing to finish yet, so it ends at once.
 */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** Whoever has started this process. */
export const parent = process.ppid

const exit = () => process.exit(0)
for (const signal of SIGNALS) process.on(signal, exit)

/** Leaves signals to `listener` from now on. */
export function takeSignals(listener: (signal: NodeJS.Signals) => void): void {
  for (const signal of SIGNALS) process.on(signal, listener).off(signal, exit)
}
