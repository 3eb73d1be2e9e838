/** Ctrl-C and SIGTERM for scripts that would leave processes and folders behind if these simply ended them. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Returns a signal that SIGINT and SIGTERM abort; from now on they no longer end this process. */
export function abortOnSignals(): AbortSignal {
  const interruption = new AbortController()
  process.on('SIGINT', () => interruption.abort())
  process.on('SIGTERM', () => interruption.abort())
  return interruption.signal
}

/** Waits for the exit code of a child, which is terminated when `interrupted` aborts. */
export async function exitCode(child: ChildProcess, interrupted: AbortSignal): Promise<number | null> {
  const exited = once(child, 'exit')
  const kill = () => child.kill('SIGTERM')
  if (interrupted.aborted) kill()
  interrupted.addEventListener('abort', kill)
  const [code] = await exited
  interrupted.removeEventListener('abort', kill)
  return code
}
