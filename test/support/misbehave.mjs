/**
 * Loaded into the service by tests (`--import`), so that it fails, or is stopped, in ways that its code does not know.
 */
import { setTimeout as sleep } from 'node:timers/promises'

const { MISBEHAVE: what } = process.env

const fail = {
  throw() {
    throw new Error('on purpose')
  },
  reject: () => Promise.reject(new Error('on purpose')),
}[what]

if (fail !== undefined) process.on('SIGUSR2', () => setTimeout(fail))

// As if whatever is loaded next took a minute.
if (what === 'stop while loading') {
  process.kill(process.pid, 'SIGTERM')
  await sleep(60_000)
}
