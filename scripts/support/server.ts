/** The service as a process of its own, for scripts that test it from outside. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** How long the server may take to become healthy, in milliseconds: a new PGlite database takes seconds. */
const START_TIMEOUT = 60_000

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Server {
  origin: string
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>
  /** Stops the server and returns what is wrong with how it ran. */
  stop(): Promise<string[]>
}

/** What `npm start` gives to Node. */
export function startArguments(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return scripts.start.split(' ').slice(1)
}

/** Starts the service and waits until it is healthy. */
export async function startServer(env: Record<string, string>): Promise<Server> {
  const child = spawn(process.execPath, startArguments(), {
    cwd: root,
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // Not `exit`, which may come before the last lines of the log.
  const closed = once(child, 'close')
  const errors: string[] = []
  const stop = async () => {
    child.kill('SIGTERM')
    const [code, signal] = await closed
    return code === 0 ? errors : [...errors, `the server ended with ${code ?? signal}`]
  }
  try {
    const timeout = AbortSignal.timeout(START_TIMEOUT)
    const failed = Promise.race([closed, once(timeout, 'abort')]).then(() => undefined)
    const origin = await Promise.race([listening(child, errors), failed])
    if (origin === undefined) throw new Error('the server ended, or did not listen in time')
    await healthy(origin, timeout)
    const kill = async () => {
      child.kill('SIGKILL')
      await closed
    }
    return { origin, kill, stop }
  } catch (error) {
    for (const complaint of await stop()) console.error(complaint)
    throw error
  }
}

async function healthy(origin: string, signal: AbortSignal): Promise<void> {
  while ((await fetch(`${origin}/health`, { signal })).status !== 200) {
    await sleep(10)
    if (signal.aborted) throw new Error('the server did not become healthy in time')
  }
}

/** The origin from the log; from then on lines of level error (50) and above are collected. */
function listening(child: ChildProcess, errors: string[]): Promise<string> {
  return new Promise(resolve => {
    createInterface(child.stdout as NodeJS.ReadableStream).on('line', line => {
      const { level, msg } = JSON.parse(line)
      if (level >= 50) errors.push(line)
      const origin = /^listening on (\S+),/.exec(msg)?.[1]
      if (origin !== undefined) resolve(origin)
    })
  })
}
