/** Starts the service as production does, on a real database and a free port; every response is checked against the contract. */
import { randomUUID } from 'node:crypto'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type Logger, pino } from 'pino'
import { createGuard, type GuardOptions } from '../../src/auth/guard.ts'
import { UNLIMITED } from '../../src/config/storage.ts'
import { type Database, type DatabaseConfig, openDatabase } from '../../src/database/open.ts'
import { type AppOptions, buildApp } from '../../src/http/app.ts'
import type { Task } from '../../src/tasks/columns.ts'
import { type Answer, violations } from './contract.ts'
import { exchange } from './socket.ts'

export type { Answer, Task }

/** Whoever cleans up in the end: a test, or a script. */
export interface Teardown {
  teardown(undo: () => unknown): void
}

/** What tap gives to a test, as far as it is needed here. */
export interface Test extends Teardown {
  same(found: unknown, wanted: unknown, ...message: [] | [string]): unknown
}

export interface Service {
  origin: string
  port: number
  database: Database
  /** Sends a request; a body that is not a string goes out as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Sends bytes as they are and checks what comes back as the answer to `method` and `path`. */
  send(method: string, path: string, bytes: string): Promise<Answer>
  /** Creates a task and returns it. */
  create(user: string, task?: Partial<Task>, headers?: Record<string, string>): Promise<Task>
}

const HOUR = 3_600_000

export const silent: Logger = pino({ level: 'silent' })

/** A user whom no other test knows. */
export const randomUser = (): string => `user-${randomUUID()}`

export const onPostgres = process.env.TEST_DATABASE_URL !== undefined

/** A folder that is gone after the test. */
export async function temporaryFolder(test: Teardown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'task-service-'))
  test.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** The database that all test files share on PostgreSQL; on PGlite a copy of the template. */
export async function sharedDatabase(test: Test): Promise<DatabaseConfig> {
  const databaseUrl = process.env.TEST_DATABASE_URL
  return { databaseUrl, dataDir: onPostgres ? '' : await copyOfTemplate(test), poolSize: 10 }
}

/** A database of the test's own, empty but for the schema that `prepare` makes. */
export async function ownDatabase(test: Test): Promise<DatabaseConfig> {
  if (!onPostgres) return { databaseUrl: undefined, dataDir: await copyOfTemplate(test), poolSize: 1 }
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await administer(`create database ${name}`)
  test.teardown(() => administer(`drop database ${name} with (force)`))
  const url = process.env.TEST_DATABASE_URL as string
  return { databaseUrl: url.replace(/\/[^/?]*(\?|$)/, `/${name}$1`), dataDir: '', poolSize: 5 }
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL })
  await client.connect()
  await client.query(statement)
  await client.end()
}

async function copyOfTemplate(test: Test): Promise<string> {
  const folder = await temporaryFolder(test)
  if (process.env.TEST_TEMPLATE) await cp(process.env.TEST_TEMPLATE, folder, { recursive: true })
  return folder
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
      >
    > {
  config?: DatabaseConfig
  logger?: Logger
  requestTimeout?: number
  /** Whether the database is prepared: false leaves the service as it is while it waits for one. */
  prepare?: boolean
}

/** Starts the service and stops it when `test` ends. */
export async function startService(test: Test, options: Options = {}): Promise<Service> {
  const { logger = silent, requestTimeout = 30_000, prepare = true, trustProxy, corsOrigins } = options
  // A machine that is busy with other tests must not turn answers into 503.
  const { maxInFlight = 1000, maxEventLoopDelay = 0, stopping = new AbortController().signal } = options
  const { maxConnections = 1000, responseTimeout = 30_000, maxUnsentBytes = 128 * 1024 * 1024, metrics } = options
  const { retention = { tombstones: HOUR, keys: HOUR } } = options
  const { quotas = { tasks: UNLIMITED, tombstones: UNLIMITED, keyBytes: UNLIMITED } } = options
  const database = await openDatabase(options.config ?? (await sharedDatabase(test)), logger)
  if (prepare) await database.prepare(new AbortController().signal)
  const app = await buildApp({
    database,
    logger,
    requestTimeout,
    guard: createGuard(options),
    localOnly: options.authenticate === undefined,
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
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  test.teardown(async () => {
    await app.close()
    await database.close()
  })
  const { port } = app.server.address() as AddressInfo
  return { database, ...client(test, `http://127.0.0.1:${port}`) }
}

/** The calls to a service at `origin`, wherever it runs. */
export function client(test: Test, origin: string): Omit<Service, 'database'> {
  const port = Number(new URL(origin).port)
  const check = (method: string, path: string, answer: Answer): Answer => {
    test.same(violations(method, path, answer), [], `${method} ${path} ${answer.status} keeps the contract`)
    return answer
  }
  const call: Service['call'] = async (method, path, body, headers = {}) => {
    const response = await fetch(origin + path, {
      method,
      headers: {
        ...(body === undefined || typeof body === 'string' ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
      redirect: 'manual',
    })
    return check(method, path, toAnswer(response.status, response.headers, await response.text()))
  }
  return {
    origin,
    port,
    call,
    async send(method, path, bytes) {
      const { status, headers, text } = await exchange(port, bytes)
      return check(method, path, toAnswer(status, headers, text))
    },
    async create(user, task = {}, headers = {}) {
      return (await call('POST', `/api/${encodeURIComponent(user)}/tasks`, { title: 'A task', ...task }, headers)).body
    },
  }
}

function toAnswer(status: number, headers: Headers, text: string): Answer {
  const isJson = headers.get('content-type')?.includes('json') && text !== ''
  return { status, headers, text, body: isJson ? JSON.parse(text) : undefined }
}
