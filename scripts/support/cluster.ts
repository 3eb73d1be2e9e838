/** Throw-away PostgreSQL and Citus clusters from the installed binaries, reachable through Unix sockets only. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, globSync, readFileSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { OLDEST_SERVER } from '../../src/database/migrate.ts'
import { joinNodes } from './database.ts'
import { temporaryFolder } from './folder.ts'

const OLDEST_VERSION = OLDEST_SERVER / 10000

export interface Cluster extends AsyncDisposable {
  /** Connection string of the superuser, for the database `postgres`. */
  url: string
  /** Stops the server like `pg_ctl stop`: `fast` cuts its connections, `immediate` is a crash. */
  stop(mode: 'fast' | 'immediate'): Promise<void>
  /** Starts the server again. */
  start(): Promise<void>
  /** Stops it and starts it again. */
  restart(mode: 'fast' | 'immediate'): Promise<void>
  /** Suspends every process of the server, as if the machine hung, or resumes them. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
}

/**
 * Creates and starts a cluster in a temporary folder; both are gone when it goes out of scope.
 * @param settings additional settings, as `name=value`; they may depend on the folder of its socket
 */
export async function startCluster(settings: string[] | ((folder: string) => string[]) = []): Promise<Cluster> {
  const bin = findBinaries()
  if (bin === undefined) {
    throw new Error(`No PostgreSQL server binaries found: install PostgreSQL ${OLDEST_VERSION} or newer.`)
  }
  await using stack = new AsyncDisposableStack()
  const { path: folder } = stack.use(await temporaryFolder())
  const owner = clusterOwner()
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const asOwner = { ...owner, cwd: folder }

  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'], {
    ...asOwner,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const allSettings = [
    // No TCP, so no port can collide; no fsync, because the data need not survive.
    ...['listen_addresses=', `unix_socket_directories=${folder}`, 'fsync=off', 'log_min_messages=log'],
    ...(typeof settings === 'function' ? settings(folder) : settings),
  ]
  let server: { pid: number; exited: Promise<unknown> } | undefined
  const start = async () => {
    const child = spawn(join(bin, 'postgres'), ['-D', data, ...allSettings.flatMap(setting => ['-c', setting])], {
      ...asOwner,
      stdio: ['ignore', 'ignore', 'pipe'],
      // Ctrl-C on the terminal must not reach it: its users stop it when they end.
      detached: true,
    })
    const exited = once(child, 'exit')
    await isReady(child.stderr, exited)
    server = { pid: child.pid as number, exited }
  }
  const stop = async (mode: 'fast' | 'immediate') => {
    if (server === undefined) return
    const { pid, exited } = server
    server = undefined
    process.kill(pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await exited
  }
  await start()
  stack.defer(() => stop('fast'))
  const resources = stack.move()
  return {
    url: `postgresql://postgres@/postgres?host=${encodeURIComponent(folder)}`,
    stop,
    start,
    async restart(mode) {
      await stop(mode)
      await start()
    },
    signal(signal) {
      if (server === undefined) return
      for (const pid of [server.pid, ...childrenOf(server.pid)]) signalIfRunning(pid, signal)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** The members of a Cluster are those of the coordinator. */
export interface CitusCluster extends Cluster {
  workers: Cluster[]
  /** Starts one more server for a worker, which no database uses yet. */
  startNode(): Promise<Cluster>
}

/** What Citus requires; few shards, because each table of each test has that many. */
const citusSettings = (folder: string) => [
  'shared_preload_libraries=citus',
  'citus.shard_count=4',
  // Shards move by logical replication.
  ...['wal_level=logical', 'max_wal_senders=20', 'max_replication_slots=20', 'max_worker_processes=32'],
  // Each connection to the coordinator may open others to each worker, and write to several of them.
  ...['max_connections=400', 'max_prepared_transactions=400'],
  // A node also connects to itself.
  `citus.local_hostname=${folder}`,
]

/** Starts a coordinator and two workers; the database `postgres` is a database of Citus. */
export async function startCitusCluster(): Promise<CitusCluster> {
  await using stack = new AsyncDisposableStack()
  const coordinator = stack.use(await startCluster(citusSettings))
  const workers = [stack.use(await startCluster(citusSettings)), stack.use(await startCluster(citusSettings))]
  await joinNodes(
    coordinator.url,
    workers.map(({ url }) => url),
  )
  const resources = stack.move()
  return {
    ...coordinator,
    workers,
    async startNode() {
      return resources.use(await startCluster(citusSettings))
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** Whether the installed binaries have Citus. */
export function hasCitus(): boolean {
  const bin = findBinaries()
  if (bin === undefined) return false
  // Debian installs `pg_config` with the headers only.
  const { stderr } = spawnSync(join(bin, 'initdb'), ['--show', '-D', 'none'], { ...clusterOwner(), encoding: 'utf8' })
  const share = /^share_path=(.*)$/m.exec(stderr)?.[1]
  return share !== undefined && existsSync(join(share, 'extension/citus.control'))
}

/** A backend may end between being listed and being signalled. */
function signalIfRunning(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)

async function isReady(stderr: NodeJS.ReadableStream, exited: Promise<unknown>): Promise<void> {
  const lines: string[] = []
  const ready = new Promise<true>(resolve => {
    createInterface(stderr).on('line', line => {
      lines.push(line)
      if (line.includes('ready to accept connections')) resolve(true)
    })
  })
  if ((await Promise.race([ready, exited])) !== true) throw new Error(`PostgreSQL did not start:\n${lines.join('\n')}`)
}

/** Finds a folder with a supported initdb and postgres: on PATH (following links), or else Debian's newest. */
export function findBinaries(): string | undefined {
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .map(folder => join(folder, 'initdb'))
    .filter(existsSync)
  const debian = globSync('/usr/lib/postgresql/*/bin/initdb').sort((a, b) =>
    b.localeCompare(a, 'en', { numeric: true }),
  )
  return [...onPath.map(file => realpathSync(file)), ...debian]
    .map(dirname)
    .find(bin => existsSync(join(bin, 'postgres')) && majorVersion(bin) >= OLDEST_VERSION)
}

/** `postgres (PostgreSQL) 15.18 (Debian ...)` -> 15 */
const majorVersion = (bin: string) =>
  Number(/\d+/.exec(execFileSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }))?.[0])

/** The user to run PostgreSQL as: it refuses to run as root, so its package's user takes over. */
export function clusterOwner(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}
