/**
 * Starts the service as production does, on a real database and a free port; every response is checked against the
 * contract.
 */
import { cpSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { type Logger, pino } from 'pino'
import { createGuard, type GuardOptions } from '../../src/auth/guard.ts'
import { UNLIMITED } from '../../src/config/storage.ts'
import { type Database, type DatabaseConfig, openDatabase } from '../../src/database/open.ts'
import { type AppOptions, buildApp } from '../../src/http/app.ts'
import type { Task } from '../../src/tasks/columns.ts'
import { type Call, createCall, sendBytes } from './call.ts'
import { createUser, type User, type UserOptions } from './client.ts'
import type { Answer } from './contract.ts'
import { createDatabase } from './database.ts'
import { prepareDistributed } from './distribute.ts'
import { temporaryFolder } from './folder.ts'
import { randomUser } from './requests.ts'

export type { Answer, Task }
export { randomUser }

/** What a test can do with a service, wherever that runs. */
export interface Client {
  origin: string
  port: number
  /** A fresh user, with a method for each operation. */
  newUser(options?: UserOptions): Promise<User>
  /** For raw requests; a body that is not a string goes out as JSON. */
  call: Call
  /** Sends bytes as they are and checks what comes back as the response to `method` and `path`. */
  send(method: string, path: string, bytes: string): Promise<Answer>
}

export interface Service extends Client, AsyncDisposable {
  database: Database
}

const HOUR = 3_600_000

export const silent: Logger = pino({ level: 'silent' })

/** Whether the database is a PostgreSQL, on one server or distributed by Citus. */
export const onPostgres = process.env.TEST_DATABASE_URL !== undefined

/** Whether that PostgreSQL is the coordinator of a Citus cluster; then the tables are distributed over its workers. */
export const onCitus = process.env.TEST_CITUS_URL !== undefined

/** A database that is dropped or released on disposal. */
export type HeldDatabase = DatabaseConfig & AsyncDisposable

/** The database that all test files share on PostgreSQL; on PGlite, services of a file use it one after another. */
async function sharedDatabase(): Promise<HeldDatabase> {
  if (!onPostgres) return reusedCopy()
  const databaseUrl = process.env.TEST_DATABASE_URL
  return { databaseUrl, dataDir: '', poolSize: 10, [Symbol.asyncDispose]: async () => undefined }
}

/** A database of the test's own without rows; its schema may have to be made by `prepare`. */
export const ownDatabase = (): Promise<HeldDatabase> => (onPostgres ? newDatabase() : copyOfTemplate(1))

async function newDatabase(): Promise<HeldDatabase> {
  await using stack = new AsyncDisposableStack()
  const { url } = stack.use(await createDatabase(process.env.TEST_DATABASE_URL as string))
  if (onCitus) await prepareDistributed(url)
  const resources = stack.move()
  return { databaseUrl: url, dataDir: '', poolSize: 5, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/** Copies of the template that are currently unused. */
const unused: string[] = []

async function reusedCopy(): Promise<HeldDatabase> {
  const dataDir = unused.pop() ?? (await newCopy())
  return { databaseUrl: undefined, dataDir, poolSize: 10, [Symbol.asyncDispose]: async () => void unused.push(dataDir) }
}

async function newCopy(): Promise<string> {
  const { dataDir } = await copyOfTemplate(1)
  process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }))
  return dataDir
}

async function copyOfTemplate(poolSize: number): Promise<HeldDatabase> {
  const folder = await temporaryFolder()
  // A thousand small files: synchronously, copying them takes a fifth of the time.
  if (process.env.TEST_TEMPLATE) cpSync(process.env.TEST_TEMPLATE, folder.path, { recursive: true })
  return Object.assign(folder, { databaseUrl: undefined, dataDir: folder.path, poolSize })
}

interface Options
  extends GuardOptions,
    Partial<
      Pick<
        AppOptions,
        | 'trustProxy'
        | 'corsOrigins'
        | 'maxInFlight'
        | 'maxConnections'
        | 'maxUnsentBytes'
        | 'responseTimeout'
        | 'maxEventLoopDelay'
        | 'retention'
        | 'metrics'
        | 'quotas'
        | 'stopping'
        | 'discovery'
      >
    > {
  /** A database that the caller holds, or a function that makes one for the service to hold. */
  config?: DatabaseConfig | (() => Promise<HeldDatabase>)
  logger?: Logger
  requestTimeout?: number
  /** Whether the database is prepared; if false, the service behaves as while it waits for one. */
  prepare?: boolean
}

/** Starts the service; it stops when it is disposed of. */
export async function startService(options: Options = {}): Promise<Service> {
  const { config = sharedDatabase, logger = silent, requestTimeout = 30_000, prepare = true } = options
  const { trustProxy, corsOrigins, discovery = {} } = options
  // A machine that is busy with other tests must not turn answers into 503.
  const { maxInFlight = 1000, maxEventLoopDelay = 0, stopping = new AbortController().signal } = options
  const { maxConnections = 1000, responseTimeout = 30_000, maxUnsentBytes = 128 * 1024 * 1024, metrics } = options
  const { retention = { tombstones: HOUR, keys: HOUR } } = options
  const { quotas = { tasks: UNLIMITED, tombstones: UNLIMITED, keyBytes: UNLIMITED } } = options
  await using opened = new AsyncDisposableStack()
  const database = await openDatabase(typeof config === 'function' ? opened.use(await config()) : config, logger)
  opened.defer(() => database.close())
  if (prepare) await database.prepare(new AbortController().signal)
  const app = await buildApp({
    database,
    logger,
    requestTimeout,
    guard: createGuard(options),
    loopbackOnly: options.authenticate === undefined,
    maxInFlight,
    maxConnections,
    responseTimeout,
    maxUnsentBytes,
    metrics,
    maxEventLoopDelay,
    retention,
    quotas,
    stopping,
    trustProxy,
    corsOrigins,
    discovery,
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  opened.defer(() => app.close())
  const { port } = app.server.address() as AddressInfo
  const all = opened.move()
  return { database, ...client(`http://127.0.0.1:${port}`), [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** The calls to a service at `origin`, wherever it runs. */
export function client(origin: string): Client {
  const port = Number(new URL(origin).port)
  const call = createCall(origin)
  return {
    origin,
    port,
    call,
    newUser: options => createUser(origin, options),
    send: (...request) => sendBytes(port, ...request),
  }
}
