/** For scripts that would leave servers and folders behind: after Ctrl-C or SIGTERM they end their children and clean up. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Heeds the signals from now on, instead of dying of them; the first one aborts. */
export function heedSignals(): AbortSignal {
  const interruption = new AbortController()
  process.on('SIGINT', () => interruption.abort())
  process.on('SIGTERM', () => interruption.abort())
  return interruption.signal
}

/** The exit code of a child, which ends with this process's signal at the latest. */
export async function exitCode(child: ChildProcess, interrupted: AbortSignal): Promise<number | null> {
  const exited = once(child, 'exit')
  const kill = () => child.kill('SIGTERM')
  if (interrupted.aborted) kill()
  interrupted.addEventListener('abort', kill)
  const [code] = await exited
  interrupted.removeEventListener('abort', kill)
  return code
}
