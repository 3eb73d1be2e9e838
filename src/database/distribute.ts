/**
 * Distributes the tables of a migrated database by user (see distribution.ts), while the service goes on: tables are
 * copied online if the coordinator can do that.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql, type Transaction } from 'kysely'
import { StartError } from '../process/start-error.ts'
import { hasCitus } from './citus.ts'
import { countShards, findNodes, findUserTables, truncateLeftover, type UserTable } from './distribution.ts'
import { isConflict, isLockTimeout } from './errors.ts'
import { migrationStatus, runExclusively } from './migrate.ts'
import type { Tables } from './tables.ts'

type Db = Kysely<Tables>
type Print = (line: string) => void

/**
 * Milliseconds for which one attempt to lock the tables makes requests wait, at most. It is shorter than
 * `deadlock_timeout`, a second by default, so that no request is the victim of a deadlock.
 */
const LOCK_TIMEOUT = 300
/** Maximum milliseconds between two attempts, in which the requests that waited are executed. */
const PAUSE = 200

/**
 * Distributes the tables that are not distributed yet, and continues an interrupted run. No migration can run at the
 * same time.
 * @param db the connection for migrations
 * @param quick the second one; `db` itself on PGlite
 * @throws StartError if the database cannot be distributed
 */
export async function distribute(db: Db, quick: Db, print: Print): Promise<void> {
  await requireDistributable(db, quick)
  await runExclusively(db, quick, async () => {
    const tables = await findUserTables(db)
    const done = tables.filter(({ isDistributed }) => isDistributed)
    const left = tables.filter(({ isDistributed }) => !isDistributed)
    for (const { name } of done) print(`${name}: already distributed`)
    for (const table of left) print(`${table.name}: will be distributed by user_id (${estimate(table)})`)
    if (left.length > 0) await distributeTables(db, left, done[0]?.name, print)
    for (const { name } of tables) await truncateLeftover(db, name)
    print('All tables with a user_id are distributed; the others stay on the coordinator.')
    return left.map(({ name }) => name)
  })
}

async function requireDistributable(db: Db, quick: Db): Promise<void> {
  if (db === quick) throw new StartError('PGlite cannot be distributed: set DATABASE_URL to the coordinator of Citus.')
  if (!(await hasCitus(quick))) {
    throw new StartError(
      'The extension citus is not installed in this database: run `create extension citus` in it on every server, ' +
        'and add the workers with citus_add_node.',
    )
  }
  if ((await migrationStatus(quick)).some(({ executedAt }) => executedAt === undefined)) {
    throw new StartError('The schema has pending migrations: run `npm run migrate` first.')
  }
  if ((await findNodes(quick)).length === 0) {
    throw new StartError('No server may hold shards: add the workers with citus_add_node.')
  }
}

const estimate = ({ rows, size }: UserTable) => (rows === 0 ? size : `about ${rows} rows, ${size}`)

/** @param distributed the name of a table that is distributed already */
async function distributeTables(
  db: Db,
  tables: UserTable[],
  distributed: string | undefined,
  print: Print,
): Promise<void> {
  print(`Each gets ${await countShards(db, distributed)} shards, on ${(await findNodes(db)).join(', ')}.`)
  const obstacle = await findObstacle(db)
  if (obstacle === undefined) {
    print('They are copied online: requests are served meanwhile.')
    await distributeOnline(db, tables, distributed, print)
  } else {
    print(`${obstacle}, so they cannot be copied online: writes wait or get 503 until all are copied.`)
    await distributeAtOnce(db, tables, distributed, print)
  }
}

/** Why tables cannot be copied online, which uses logical replication; undefined if they can. */
async function findObstacle(db: Db): Promise<string | undefined> {
  const { rows } = await sql<{ walLevel: string; libraries: string }>`
    select current_setting('wal_level') as "walLevel",
      coalesce(current_setting('output_plugin_libraries', true), 'citus') as libraries`.execute(db)
  return rows
    .map(({ walLevel, libraries }) => {
      if (walLevel !== 'logical') return `wal_level is ${walLevel}, not logical`
      return libraries.split(/[\s,]+/).includes('citus') ? undefined : 'output_plugin_libraries does not include citus'
    })
    .find(obstacle => obstacle !== undefined)
}

/** The largest first: statements that join the tables are slower while only some of them are distributed. */
async function distributeOnline(
  db: Db,
  tables: UserTable[],
  distributed: string | undefined,
  print: Print,
): Promise<void> {
  // Citus refuses statements that join a table it does not know with one it does, so it learns of all at once.
  const unknown = tables.filter(({ isKnown }) => !isKnown)
  await withLocks(db, unknown, 'access exclusive', print, async transaction => {
    for (const { name } of unknown) {
      await sql`select citus_add_local_table_to_metadata(${name}::regclass)`.execute(transaction)
    }
  })
  let other = distributed
  for (const { name } of tables) {
    const started = performance.now()
    print(`${name}: copying`)
    await sql`
      select create_distributed_table_concurrently(${name}::regclass, 'user_id',
        colocate_with => ${other ?? 'default'})`.execute(db)
    print(`${name}: distributed (${secondsSince(started)} s)`)
    other ??= name
  }
}

/** In one transaction, so that no statement finds only some of the tables distributed. Reads go on until its end. */
async function distributeAtOnce(
  db: Db,
  tables: UserTable[],
  distributed: string | undefined,
  print: Print,
): Promise<void> {
  const started = performance.now()
  await withLocks(db, tables, 'exclusive', print, async transaction => {
    let other = distributed
    for (const { name } of tables) {
      print(`${name}: copying`)
      await sql`
        select create_distributed_table(${name}::regclass, 'user_id',
          colocate_with => ${other ?? 'default'})`.execute(transaction)
      other ??= name
    }
  })
  for (const { name } of tables) print(`${name}: distributed (${secondsSince(started)} s in all)`)
}

const secondsSince = (time: number) => ((performance.now() - time) / 1000).toFixed(1)

/** Runs `work` in a transaction that has locked the tables; tries until it gets all of the locks. */
async function withLocks(
  db: Db,
  tables: UserTable[],
  mode: 'exclusive' | 'access exclusive',
  print: Print,
  work: (transaction: Transaction<Tables>) => Promise<void>,
): Promise<void> {
  if (tables.length === 0) return
  const attempt = () =>
    db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async transaction => {
        await sql.raw(`set local lock_timeout = ${LOCK_TIMEOUT}`).execute(transaction)
        await sql.raw(`lock table ${tables.map(({ name }) => name)} in ${mode} mode`).execute(transaction)
        await sql`set local lock_timeout = 0`.execute(transaction)
        await work(transaction)
      })
  for (let isWaiting = false; ; isWaiting = true) {
    try {
      return await attempt()
    } catch (error) {
      if (!isLockTimeout(error) && !isConflict(error)) throw error
      if (!isWaiting) print('Waiting for transactions that use the tables.')
      await sleep(Math.random() * PAUSE)
    }
  }
}
