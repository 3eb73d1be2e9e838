/** The service as a process of its own, for tests and scripts. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { DatabaseConfig } from '../../src/database/open.ts'

/** How long the service may take to become healthy, in milliseconds: creating a PGlite database takes seconds. */
const START_TIMEOUT = 60_000
/** Pino's level `error`. */
const ERROR = 50

/**
 * Lets V8 compile WebAssembly with its baseline compiler only. The PGlite of a test runs for seconds, and optimizing it
 * takes longer than that saves.
 */
export const BASELINE_WASM = '--liftoff-only'

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface LaunchOptions {
  /**
   * Arguments for Node. By default `src/main.ts`, for tests: with BASELINE_WASM and without the options of `npm start`.
   */
  program?: string[]
  /** By default the project's folder. */
  cwd?: string
  /** Maximum number of open files; inherited by default. */
  openFiles?: number
  /** `ignore` discards the log, unread. */
  stdout?: 'pipe' | 'ignore'
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A child process, which is stopped when it goes out of scope. */
export interface LaunchedProcess extends AsyncDisposable {
  child: ChildProcess
  /** Resolves once the process has ended and all of its output has been read. */
  exited: Promise<Exit>
  /** Sends the signal and waits until the process has ended. */
  end(signal: NodeJS.Signals): Promise<Exit>
}

export interface LogLine {
  level: number
  msg: string
  [field: string]: unknown
}

export interface ServiceProcess extends LaunchedProcess {
  origin: string
  /** The log lines so far. */
  log: LogLine[]
  /** Waits for a log line that satisfies `predicate`. */
  logged(predicate: (line: LogLine) => boolean): Promise<LogLine>
  /** Stops the service. Returns the errors it logged and, if it ended with anything but 0, how it ended. */
  stop(): Promise<string[]>
}

/** The arguments that `npm start` passes to Node. */
export function startArguments(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return scripts.start.split(' ').slice(1)
}

/** The environment variables for a database. */
export const environment = ({ databaseUrl, dataDir }: DatabaseConfig): Record<string, string> =>
  databaseUrl === undefined ? { DATA_DIR: dataDir } : { DATABASE_URL: databaseUrl }

/** Starts a process without waiting for anything. Unless it is ignored, its output has to be read. */
export function launch(env: Record<string, string>, options: LaunchOptions = {}): LaunchedProcess {
  const { program = [BASELINE_WASM, join(root, 'src/main.ts')], cwd = root, openFiles, stdout = 'pipe' } = options
  const { DATABASE_URL: _, NODE_ENV: __, ...inherited } = process.env
  const command = [process.execPath, ...program]
  // Only a shell can lower the limit.
  if (openFiles !== undefined) command.unshift('/bin/sh', '-c', `ulimit -n ${openFiles} && exec "$0" "$@"`)
  const [file, ...args] = command as [string, ...string[]]
  const child = spawn(file, args, {
    cwd,
    env: { ...inherited, PORT: '0', MAX_EVENT_LOOP_DELAY: '0', ...env },
    stdio: ['ignore', stdout, stdout === 'pipe' ? 'pipe' : 'inherit'],
  })
  // Not `exit`, which may come before the last lines of the log.
  const exited = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return exited
  }
  return {
    child,
    exited,
    end,
    async [Symbol.asyncDispose]() {
      await end('SIGTERM')
    },
  }
}

/** Starts the service and waits until it listens; the database may not be ready yet. */
export async function startProcess(env: Record<string, string>, options?: LaunchOptions): Promise<ServiceProcess> {
  await using stack = new AsyncDisposableStack()
  const launched = stack.use(launch(env, options))
  const { child, exited, end } = launched
  const stderr = text(child.stderr as NodeJS.ReadableStream)
  const log: LogLine[] = []
  let changed = Promise.withResolvers<void>()
  createInterface(child.stdout as NodeJS.ReadableStream).on('line', line => {
    log.push(JSON.parse(line))
    changed.resolve()
    changed = Promise.withResolvers()
  })
  const describe = async ({ code, signal }: Exit) => `the service ended with ${code ?? signal}: ${await stderr}`
  const logged: ServiceProcess['logged'] = async predicate => {
    for (;;) {
      const found = log.find(predicate)
      if (found !== undefined) return found
      const exit = await Promise.race([changed.promise, exited])
      if (exit !== undefined) throw new Error(await describe(exit))
    }
  }
  const { msg } = await logged(line => line.msg.startsWith('listening on'))
  stack.move()
  return {
    ...launched,
    origin: msg.replace(/^listening on (\S+),.*$/, '$1'),
    log,
    logged,
    async stop() {
      const exit = await end('SIGTERM')
      const errors = log.filter(({ level }) => level >= ERROR).map(line => JSON.stringify(line))
      return exit.code === 0 ? errors : [...errors, await describe(exit)]
    },
  }
}

/** Starts the service as `npm start` does and waits until it is healthy. */
export async function startHealthyProcess(env: Record<string, string>): Promise<ServiceProcess> {
  await using stack = new AsyncDisposableStack()
  const service = stack.use(await startProcess(env, { program: startArguments() }))
  await untilHealthy(service.origin)
  stack.move()
  return service
}

/** Waits until the database is ready. */
export async function untilHealthy(origin: string): Promise<void> {
  const signal = AbortSignal.timeout(START_TIMEOUT)
  while ((await fetch(`${origin}/health`, { signal })).status !== 200) await sleep(10, undefined, { signal })
}

/** Runs the service, which is expected to end by itself, and returns its output. */
export async function runToExit(
  env: Record<string, string>,
  options?: LaunchOptions,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  await using launched = launch(env, options)
  const { child, exited } = launched
  const [stdout, stderr, { code }] = await Promise.all([
    text(child.stdout as NodeJS.ReadableStream),
    text(child.stderr as NodeJS.ReadableStream),
    exited,
  ])
  return { code, stdout, stderr }
}
