/** The service as people run it: a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type t from 'tap'
import type { DatabaseConfig } from '../../src/database/open.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export interface Running {
  process: ChildProcess
  origin: string
  /** The log's lines so far. */
  log: Record<string, any>[]
  /** Waits for a log line that `wanted` accepts. */
  logged(wanted: (line: Record<string, any>) => boolean): Promise<Record<string, any>>
  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: string | null }>
}

/** The environment for a database. */
export const environment = ({ databaseUrl, dataDir }: DatabaseConfig): Record<string, string> =>
  databaseUrl === undefined ? { DATA_DIR: dataDir } : { DATABASE_URL: databaseUrl }

/** Starts the service and leaves the rest to the caller. */
export function startMain(
  env: Record<string, string>,
  cwd?: string,
): { child: ChildProcess; exited: Promise<unknown[]> } {
  const child = spawnMain(env, cwd)
  child.stdout?.resume()
  return { child, exited: once(child, 'exit') }
}

/** @param openFiles the process's limit on open files, where it is not the inherited one */
function spawnMain(env: Record<string, string>, cwd?: string, openFiles?: number): ChildProcess {
  const { DATABASE_URL: _, NODE_ENV: __, ...inherited } = process.env
  const command = [process.execPath, main]
  // Only a shell can lower the limit.
  if (openFiles !== undefined) command.unshift('/bin/sh', '-c', `ulimit -n ${openFiles} && exec "$0" "$@"`)
  const [file, ...args] = command as [string, ...string[]]
  return spawn(file, args, {
    cwd,
    env: { ...inherited, PORT: '0', MAX_EVENT_LOOP_DELAY: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Starts the service and waits until it listens; whatever is left of it ends with the test. */
export async function runMain(
  test: Pick<typeof t, 'teardown'>,
  env: Record<string, string>,
  cwd?: string,
  openFiles?: number,
): Promise<Running> {
  const child = spawnMain(env, cwd, openFiles)
  const exited = once(child, 'exit')
  test.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await exited
  })
  let errors = ''
  child.stderr?.on('data', chunk => {
    errors += chunk
  })
  const log: Running['log'] = []
  let changed = Promise.withResolvers<void>()
  createInterface(child.stdout as NodeJS.ReadableStream).on('line', line => {
    log.push(JSON.parse(line))
    changed.resolve()
    changed = Promise.withResolvers()
  })
  const logged: Running['logged'] = async wanted => {
    for (;;) {
      const found = log.find(wanted)
      if (found !== undefined) return found
      const ended = await Promise.race([changed.promise, exited])
      if (ended !== undefined) throw new Error(`the service ended with ${ended.join(' ')}: ${errors}`)
    }
  }
  const { msg } = await logged(line => line.msg.startsWith('listening on'))
  return {
    process: child,
    origin: msg.match(/^listening on (\S+),/)[1],
    log,
    logged,
    async end(signal) {
      child.kill(signal)
      const [code, by] = await exited
      return { code, signal: by }
    },
  }
}

/** Waits until the database is prepared. */
export async function untilHealthy(origin: string): Promise<void> {
  while ((await fetch(`${origin}/health`)).status !== 200) await sleep(20)
}

/** Runs the service where it is expected to end by itself. */
export async function failMain(
  env: Record<string, string>,
  cwd?: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawnMain(env, cwd)
  const output = { stdout: '', stderr: '' }
  child.stdout?.on('data', chunk => {
    output.stdout += chunk
  })
  child.stderr?.on('data', chunk => {
    output.stderr += chunk
  })
  const [code] = await once(child, 'close')
  return { code, ...output }
}
