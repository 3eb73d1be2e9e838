/** Connections to a PostgreSQL server and throw-away databases on it. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'

/** Connects to a database; the connection ends when it goes out of scope. */
export async function connect(url: string | pg.ClientConfig): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client(url)
  // Tests and faults end connections on purpose; a query on such a connection fails anyway.
  client.on('error', () => undefined)
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

/** Runs statements one after another in a session of their own. */
export async function execute(
  url: string | pg.ClientConfig,
  ...statements: (string | pg.QueryConfig)[]
): Promise<void> {
  await using client = await connect(url)
  for (const statement of statements) await client.query(statement)
}

export interface ThrowAwayDatabase extends AsyncDisposable {
  url: string
}

/**
 * Creates an empty database on the server of `url`; it is dropped when it goes out of scope. If the database of `url`
 * has workers of Citus, the new one is created on each of them and has them too.
 */
export async function createDatabase(url: string): Promise<ThrowAwayDatabase> {
  const name = `throw_away_${randomUUID().replaceAll('-', '')}`
  await using stack = new AsyncDisposableStack()
  const workers = await workersOf(url)
  for (const server of [...workers, url]) {
    await execute(server, `create database ${name}`)
    stack.defer(() => execute(server, `drop database ${name} with (force)`))
  }
  const created = url.replace(/\/[^/?]*(\?|$)/, `/${name}$1`)
  if (workers.length > 0) {
    await joinNodes(
      created,
      workers.map(worker => ({ ...worker, database: name })),
    )
    await execute(
      created,
      // Of the database, because a session's own timeout does not reach the workers.
      `alter database ${name} set lock_timeout = '2s'`,
      // Tests cause errors by triggers.
      `alter database ${name} set citus.enable_unsafe_triggers = on`,
    )
  }
  const resources = stack.move()
  return { url: created, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/** Makes the database of `url` that of a coordinator, with databases on other servers as its workers. */
export async function joinNodes(url: string, workers: (string | pg.ClientConfig)[]): Promise<void> {
  await execute(url, 'create extension citus', {
    text: 'select citus_set_coordinator_host($1, $2)',
    values: addressOf(url),
  })
  for (const worker of workers) await addWorker(url, worker)
}

/** Adds a worker, which has no shards at first, to the database of a coordinator. */
export async function addWorker(url: string, worker: string | pg.ClientConfig): Promise<void> {
  await execute(worker, 'create extension citus')
  await execute(url, { text: 'select citus_add_node($1, $2)', values: addressOf(worker) })
}

/** The workers of the Citus database of `url`, for the same role and database; none on any other PostgreSQL. */
async function workersOf(url: string): Promise<pg.ClientConfig[]> {
  await using client = await connect(url)
  const { rows: found } = await client.query(`select from pg_extension where extname = 'citus'`)
  if (found.length === 0) return []
  const { rows } = await client.query('select nodename, nodeport from pg_dist_node where groupid > 0 order by nodeid')
  const { user, password, database } = client
  return rows.map(({ nodename, nodeport }) => ({ host: nodename, port: nodeport, user, password, database }))
}

/** Host, which may be the folder of a Unix socket, and port. */
function addressOf(url: string | pg.ClientConfig): [string, number] {
  const { host, port } = new pg.Client(url)
  return [host, port]
}
