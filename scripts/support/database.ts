/** Connections to a PostgreSQL server and throw-away databases on it. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'

/** Connects to a database; the connection ends when it goes out of scope. */
export async function connect(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url })
  // Tests and faults end connections on purpose; a query on such a connection fails anyway.
  client.on('error', () => undefined)
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

/** Runs statements one after another in a session of their own. */
export async function execute(url: string, ...statements: (string | pg.QueryConfig)[]): Promise<void> {
  await using client = await connect(url)
  for (const statement of statements) await client.query(statement)
}

export interface ThrowAwayDatabase extends AsyncDisposable {
  url: string
}

/** Creates an empty database on the server of `url`; it is dropped when it goes out of scope. */
export async function createDatabase(url: string): Promise<ThrowAwayDatabase> {
  const name = `throw_away_${randomUUID().replaceAll('-', '')}`
  await execute(url, `create database ${name}`)
  return {
    url: url.replace(/\/[^/?]*(\?|$)/, `/${name}$1`),
    [Symbol.asyncDispose]: () => execute(url, `drop database ${name} with (force)`),
  }
}
