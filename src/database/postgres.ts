/** PostgreSQL through pg: connections that single statements share, and a pool for transactions. */
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { type CompiledQuery, Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import pg from 'pg'
import { StartError } from '../start-error.ts'
import { SharingDialect } from './dialect.ts'
import { breaksConnection } from './errors.ts'
import type { PoolUsage, Store } from './open.ts'
import { createPipelines, type Done, type PipelineConnection, type Statement } from './pipeline.ts'
import { SESSION_FORMAT, setStatements } from './session.ts'
import { statementInfo, statementName } from './statement.ts'
import type { Tables } from './tables.ts'
import { parsers } from './values.ts'

/**
 * Milliseconds. Each layer is more patient than the one that it watches over: connecting, the server, the driver. Waiting for a lock
 * lasts longer than `deadlock_timeout`, which is a second by default: else no deadlock is ever found, and both sides fail.
 */
const CONNECT_TIMEOUT = 2_000
const SERVER_TIMEOUTS = { lock_timeout: 2_000, statement_timeout: 3_000, idle_in_transaction_session_timeout: 5_000 }
const QUERY_TIMEOUT = 5_000
/** A connection is replaced when it is so old, and given up when it has had nothing to do for so long. */
const LIFETIME = 1_800_000
const IDLE_TIME = 10_000

/** How many statements may be on their way on one connection. */
const READ_DEPTH = 32
const WRITE_DEPTH = 8

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => parsers[oid as keyof typeof parsers] ?? pg.types.getTypeParser(oid, format as 'text'),
}

const POOL_DEFAULTS = {
  application_name: 'task-service',
  keepAlive: true,
  connectionTimeoutMillis: CONNECT_TIMEOUT,
  types,
} satisfies pg.PoolConfig

export interface PostgresConfig {
  databaseUrl: string
  migrationUrl: string
  poolSize: number
  isPrepared: boolean
}

/** The settings that a session starts with. */
type Settings = Record<string, string | number>

/**
 * Opens PostgreSQL; no connection is made before the first query.
 * @throws StartError where the connection string, or a file that it names, cannot be read
 */
export function openPostgres(
  { databaseUrl, migrationUrl, poolSize, isPrepared }: PostgresConfig,
  log: FastifyBaseLogger,
): Store {
  const description = `PostgreSQL at ${withoutCredentials('DATABASE_URL', databaseUrl)}`
  withoutCredentials('MIGRATION_DATABASE_URL', migrationUrl)
  // In transaction mode a pooler gives each transaction any session: it keeps the format for its clients, other settings would be for whoever comes next.
  const settings: Settings = { ...SESSION_FORMAT, ...(isPrepared && SERVER_TIMEOUTS) }
  // A role may have limits of its own, which are for requests.
  const migrationSettings: Settings = {
    ...SESSION_FORMAT,
    ...(isPrepared && { statement_timeout: 0, lock_timeout: 0 }),
  }
  const nameOf = (text: string) => (isPrepared ? statementName(text) : undefined)
  const sizes = divide(poolSize)
  const pool = new pg.Pool({
    ...POOL_DEFAULTS,
    connectionString: databaseUrl,
    max: sizes.transactions,
    maxLifetimeSeconds: LIFETIME / 1000,
    idleTimeoutMillis: IDLE_TIME,
    query_timeout: QUERY_TIMEOUT,
  })
  const shared = {
    connect: () => connectPipeline(databaseUrl, settings, log),
    patience: CONNECT_TIMEOUT,
    timeout: QUERY_TIMEOUT,
    lifetime: LIFETIME,
    idleTime: IDLE_TIME,
  }
  const reads = createPipelines({ ...shared, connections: sizes.reads, depth: READ_DEPTH })
  const writes = createPipelines({ ...shared, connections: sizes.writes, depth: WRITE_DEPTH })
  const dialect = new SharingDialect({
    pool: guardPool(pool, settings, nameOf, log),
    share(query: CompiledQuery) {
      const statement = statementInfo(query)
      // A read waits for no lock: so it must not stand behind a write that does.
      const pipelines = statement?.isRead ? reads : writes
      const name = isPrepared ? statement?.name : undefined
      return pipelines.query({ text: query.sql, values: query.parameters as unknown[], name })
    },
    close: async () => {
      await Promise.all([reads.close(), writes.close()])
    },
  })
  const kysely = new Kysely<Tables>({ dialect })
  return {
    kysely,
    poolUsage: () => {
      const { totalCount, idleCount, waitingCount } = pool
      const transactions = { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount }
      const all = [reads.usage(), writes.usage(), transactions]
      const sum = (state: keyof PoolUsage) => all.reduce((total, usage) => total + usage[state], 0)
      return { busy: sum('busy'), idle: sum('idle'), waiting: sum('waiting') }
    },
    description,
    // Migrations take as long as they take: a connection of their own, which waits for locks and for long statements. What only
    // looks takes another one: a connection that goes silent just then must not be waited for without end.
    async migrate(work) {
      const open = (config: pg.PoolConfig) => {
        const pool = new pg.Pool({ ...POOL_DEFAULTS, connectionString: migrationUrl, max: 1, ...config })
        return new Kysely<Tables>({
          dialect: new PostgresDialect({ pool: guardPool(pool, migrationSettings, nameOf, log) }),
        })
      }
      const [db, quick] = [open({}), open({ query_timeout: QUERY_TIMEOUT })]
      try {
        return await work(db, quick)
      } finally {
        await Promise.all([db.destroy(), quick.destroy()])
      }
    },
    close: () => kysely.destroy(),
  }
}

/** What connections are for. Reads need few, for they do not wait; writes wait for the disk, several at the same time. */
function divide(connections: number): { reads: number; writes: number; transactions: number } {
  const reads = Math.min(2, Math.ceil(connections / 5))
  const writes = Math.min(8, Math.floor((2 * connections) / 5))
  return { reads, writes, transactions: connections - reads - writes }
}

/**
 * A query that makes objects of its rows itself: pg's own way copies a template for each, which leaves objects that are slow to turn into
 * JSON. It gets text and values, for a configuration would be copied member by member.
 */
class SharedQuery extends pg.Query {
  declare name: string | undefined
  readonly #rows: unknown[] = []
  #toRow!: ToRow
  #parsers!: ((text: string) => unknown)[]

  constructor({ text, values, name }: Statement, done: Done) {
    super(text, values, (error, result) => done(error, { rows: this.#rows, rowCount: result?.rowCount } as never))
    this.name = name
  }

  handleRowDescription({ fields }: { fields: { name: string; dataTypeID: number }[] }): void {
    this.#toRow = toRowOf(fields.map(({ name }) => name))
    this.#parsers = fields.map(({ dataTypeID }) => types.getTypeParser(dataTypeID, 'text'))
  }

  handleDataRow({ fields: values }: { fields: unknown[] }): void {
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index] as string | null
      if (value !== null) values[index] = this.#parsers[index]?.(value)
    }
    this.#rows.push(this.#toRow(values))
  }
}

type ToRow = (values: unknown[]) => unknown

const toRows = new Map<string, ToRow>()

/** An object literal of these names, compiled: V8 makes an object of it at once, where it would add names from a list one by one. */
function toRowOf(names: string[]): ToRow {
  const key = names.join('\0')
  const known = toRows.get(key)
  if (known !== undefined) return known
  const members = names.map((name, index) => `${JSON.stringify(name)}: values[${index}]`)
  const toRow = new Function('values', `return { ${members} }`) as ToRow
  toRows.set(key, toRow)
  return toRow
}

/** A connection that is set up and takes statements before it has answered the others. */
async function connectPipeline(
  databaseUrl: string,
  settings: Settings,
  log: FastifyBaseLogger,
): Promise<PipelineConnection> {
  const socket = new Socket()
  const client = new pg.Client({
    ...POOL_DEFAULTS,
    connectionString: databaseUrl,
    pipeline: true,
    stream: () => socket,
  })
  client.on('error', error => log.debug({ error: error.message }, 'a database connection was lost'))
  try {
    await client.connect()
    await client.query({ text: setStatements(settings), query_timeout: QUERY_TIMEOUT } as pg.QueryConfig)
  } catch (error) {
    socket.destroy()
    throw error
  }
  let isCorked = false
  const flush = () => {
    isCorked = false
    socket.uncork()
  }
  return {
    send(statement, done) {
      // What is sent while this turn of the event loop takes in requests goes out together: a system call for all, not for each.
      if (!isCorked) {
        isCorked = true
        socket.cork()
        setImmediate(flush)
      }
      client.query(new SharedQuery(statement, done))
    },
    onLost: listener => {
      client.on('end', listener)
    },
    destroy: error => {
      socket.destroy(error)
    },
    async end() {
      // A server that is gone does not say goodbye.
      const waiting = new AbortController()
      const patience = sleep(CONNECT_TIMEOUT, undefined, waiting).catch(() => undefined)
      await Promise.race([client.end(), patience])
      waiting.abort()
      socket.destroy()
    },
  }
}

/** Sets every connection up before its first use, and lets go of one whose error says that it is broken. */
function guardPool(
  pool: pg.Pool,
  settings: Settings,
  nameOf: (text: string) => string | undefined,
  log: FastifyBaseLogger,
): PostgresPool {
  // A connection that dies raises an error of its own, whether it idles in the pool or is at work: unheard, it ends the process.
  const onError = (error: Error) => log.debug({ error: error.message }, 'a database connection was lost')
  pool.on('error', onError)
  pool.on('connect', client => client.on('error', onError))

  const sessions = new WeakMap<pg.PoolClient, PostgresPoolClient>()
  return {
    async connect() {
      const client = await pool.connect()
      const known = sessions.get(client)
      if (known !== undefined) return known
      const session = createSession(client, nameOf)
      try {
        // Statements and not startup parameters, of which poolers such as PgBouncer refuse most.
        await client.query({ text: setStatements(settings), query_timeout: QUERY_TIMEOUT } as pg.QueryConfig)
      } catch (error) {
        // One that went silent, say, must not be given out again.
        client.release(error as Error)
        throw error
      }
      sessions.set(client, session)
      return session
    },
    end: () => pool.end(),
    options: pool.options,
  }
}

/** pg takes a connection back without asking whether it still works: one that went silent would fail every later query. */
function createSession(client: pg.PoolClient, nameOf: (text: string) => string | undefined): PostgresPoolClient {
  let broken: Error | undefined
  const query = async (text: string, parameters: readonly unknown[]) => {
    // What failed first is the cause: a ROLLBACK that fails for it must not take its place.
    if (broken !== undefined) throw broken
    try {
      return await client.query({ text, values: parameters, name: nameOf(text) } as pg.QueryConfig)
    } catch (error) {
      if (breaksConnection(error)) broken = error as Error
      throw error
    }
  }
  // Kysely's type has a second form of query, for cursors, which need a package of their own.
  return {
    query: query as unknown as PostgresPoolClient['query'],
    release: discard => client.release(broken ?? discard),
  }
}

/** Host and database of a connection string that can be used; not the user, and never the password. */
function withoutCredentials(variable: string, databaseUrl: string): string {
  try {
    const { host, port, database } = new pg.Client({ connectionString: databaseUrl })
    // pg would wait for such a port without end.
    if (!(port >= 1 && port <= 65535)) throw new Error('its port must be a number from 1 to 65535')
    return `${host}:${port}/${database}`
  } catch (error) {
    throw new StartError(`${variable} cannot be used: ${(error as Error).message}.`)
  }
}
