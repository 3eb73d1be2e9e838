/** Every statement reads a small multiple of what it returns or writes, with and without statistics for the planner. */
import { randomUUID } from 'node:crypto'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import t from 'tap'
import { measureReading, planModes, prepareStatements, type Reading } from '../../scripts/support/explain.ts'
import { onPostgres, ownDatabase, randomUser, silent, startService } from '../../scripts/support/service.ts'
import { collectStatements, sorts } from '../../scripts/support/statements.ts'
import * as changes from '../../src/changes/queries.ts'
import { UNLIMITED } from '../../src/config/storage.ts'
import { openDatabase } from '../../src/database/open.ts'
import type { Tables } from '../../src/database/tables.ts'
import { writeHeartbeat } from '../../src/health/queries.ts'
import * as keys from '../../src/idempotency/queries.ts'
import * as lease from '../../src/jobs/lease-queries.ts'
import * as purging from '../../src/jobs/purge-queries.ts'
import * as bulk from '../../src/tasks/bulk-queries.ts'
import { list } from '../../src/tasks/list-queries.ts'
import * as tasks from '../../src/tasks/queries.ts'
import { type Sort, TRASH_ORDER } from '../../src/tasks/sorts.ts'
import * as users from '../../src/users/queries.ts'

/** The rows of the user with most of them. PGlite takes ten times as long to load them. */
const LIVE = 100_000
const TOMBSTONES = onPostgres ? 1_000_000 : 100_000
const KEYS = 20_000

const config = await ownDatabase()
t.teardown(() => config[Symbol.asyncDispose]())
const database = await openDatabase(config, silent)
t.teardown(() => database.close())
await database.prepare(new AbortController().signal)

type Use = (db: Kysely<Tables>) => Promise<unknown>
/** How many rows a statement returns or writes, and a use of it. */
type Case = [rows: number, use: Use]

const user = randomUser()
const [now, long] = [new Date().toISOString(), new Date(0).toISOString()]
const condition = { ifMatch: null, ifNoneMatch: [] }

/** Some of the user's live tasks, tombstones and keys. */
interface Ids {
  live: string[]
  deleted: string[]
  keysOfUser: string[]
}

/** Every statement, by what it is used for. */
function cases({ live, deleted, keysOfUser }: Ids): { reads: Record<string, Case>; writes: Record<string, Case> } {
  const [id, tombstone, key] = [live[0], deleted[0], keysOfUser[0]] as [string, string, string]
  const [target, gone] = [
    { userId: user, id, ...condition },
    { userId: user, id: tombstone, ...condition },
  ]
  const page = { userId: user, limit: 51, pageBytes: 1_048_576, deletedSince: long }
  const old = { ...purging.START, before: now, limit: page.limit }
  const part = { userId: user, limit: 50, epoch: 1 }
  const request = { userId: user, key, fingerprint: '' }
  const newTask = () => {
    const fields = { title: 'T', completed: false }
    return { ...target, id: randomUUID(), ...fields, now, quota: UNLIMITED, epoch: 1 }
  }
  const response = { status: 201, headers: {}, body: '{}' }
  const middle = { key: new Date(Date.now() - 40_000_000).toISOString(), id }
  const lists = [...sorts(), TRASH_ORDER as Sort].flatMap(sort =>
    [undefined, true, false].flatMap(completed =>
      [undefined, { ...middle, key: sort.startsWith('title') ? 'task 5' : middle.key }].map(after => {
        const what = `list ${sort} ${completed ?? ''} ${after ? 'in the middle' : ''}`
        return [what, [page.limit, db => list(db, { ...page, sort, filters: { completed }, after })]] as [string, Case]
      }),
    ),
  )
  return {
    reads: {
      find: [1, db => tasks.find(db, target)],
      'find a tombstone': [1, db => tasks.find(db, gone)],
      findTaken: [1, db => tasks.findTaken(db, { ...gone, deletedSince: long })],
      snapshot: [page.limit, db => changes.list(db, { ...page, position: 0, since: null })],
      changes: [page.limit, db => changes.list(db, { ...page, position: LIVE, since: LIVE })],
      lock: [20, db => bulk.lock(db, { userId: user, ids: live.slice(0, 20) })],
      'lock tombstones': [20, db => bulk.lock(db, { userId: user, ids: deleted.slice(0, 20) })],
      findTombstones: [page.limit, db => purging.findTombstones(db, old)],
      findKeys: [page.limit, db => purging.findKeys(db, old)],
      findKey: [1, db => keys.find(db, request)],
      lockCounter: [1, db => users.lockCounter(db, { userId: user })],
      ...Object.fromEntries(lists),
    },
    writes: {
      insert: [1, db => tasks.insert(db, newTask())],
      count: [1, db => tasks.count(db, newTask())],
      insertCounted: [1, db => tasks.insertCounted(db, { ...newTask(), revision: 1 })],
      uncount: [1, db => tasks.uncount(db, target)],
      update: [1, db => tasks.update(db, { ...target, patch: '{"title":"T"}', now })],
      complete: [1, db => tasks.complete(db, { ...target, completed: null, now })],
      remove: [1, db => tasks.remove(db, { ...target, now })],
      restore: [1, db => tasks.restore(db, { ...gone, deletedSince: long, quota: UNLIMITED })],
      removeAll: [50, db => bulk.removeAll(db, { userId: user, completed: true, limit: 50, now })],
      trim: [50, db => bulk.trim(db, { userId: user, quota: TOMBSTONES - 50, limit: 5_000 })],
      removeTombstones: [50, db => purging.removeTombstones(db, { userId: user, ids: deleted, before: now })],
      removeKeys: [50, db => purging.removeKeys(db, { userId: user, ids: keysOfUser, before: now })],
      eraseTasks: [50, db => users.eraseTasks(db, part)],
      eraseKeys: [50, db => users.eraseKeys(db, part)],
      removeCounter: [1, db => users.removeCounter(db, { userId: user })],
      takeKey: [1, db => keys.take(db, { ...request, key: 'new' }, now, long)],
      completeKey: [1, db => keys.complete(db, request, response, UNLIMITED)],
      countKeyBytes: [1, db => keys.countBytes(db, { userId: user, more: 1, quota: UNLIMITED, epoch: 1 })],
      claim: [1, db => lease.claim(db, { name: 'purge', now, until: now })],
      keep: [1, db => lease.keep(db, { name: 'purge', held: now, until: now })],
      writeHeartbeat: [1, db => writeHeartbeat(db, { now })],
      renewEpoch: [100, db => users.renewEpoch(db, { after: 'user 1', limit: 100, epoch: 1, revisions: 1 })],
    },
  }
}

/** Loads the rows of the large user and some of others, without anything that would invalidate prepared plans. */
async function load(db: Kysely<Tables>): Promise<Ids> {
  const insert = (owner: RawBuilder<unknown>, count: number, deletedAt: RawBuilder<unknown>) => sql`
    insert into task (user_id, id, title, completed, completed_at, created_at, updated_at, deleted_at, revision)
    select ${owner}, gen_random_uuid(), 'task ' || number, number % 2 = 0, case when number % 2 = 0 then now() end,
      now() - number * interval '1 second', now() - number * interval '1 second', ${deletedAt}, number
    from generate_series(1, ${count}::int) as number`
  await insert(sql`'user ' || number % 200`, 10_000, sql`null`).execute(db)
  await insert(sql`${user}`, LIVE, sql`null`).execute(db)
  await insert(sql`${user}`, TOMBSTONES, sql`now() - number * interval '1 second'`).execute(db)
  await sql`
    insert into user_clock (user_id, revision, live)
    select 'user ' || number, 50, 50 from generate_series(0, 19999) as number`.execute(db)
  await sql`
    insert into user_clock (user_id, revision, live, tombstones)
    values (${user}, ${LIVE + TOMBSTONES}, ${LIVE}, ${TOMBSTONES})`.execute(db)
  await sql`
    insert into idempotency_key (user_id, key, fingerprint, created_at)
    select ${user}, md5(number::text), '', now() - number * interval '1 second'
    from generate_series(1, ${KEYS}::int) as number`.execute(db)
  const ids = async (state: 'is' | 'is not') => {
    const chosen = db.selectFrom('task').select('id').where('user_id', '=', user).where('deleted_at', state, null)
    return (await chosen.limit(50).execute()).map(({ id }) => id)
  }
  const chosen = db.selectFrom('idempotency_key').select('key').where('user_id', '=', user)
  const keysOfUser = (await chosen.limit(50).execute()).map(({ key }) => key)
  return { live: await ids('is'), deleted: await ids('is not'), keysOfUser }
}

/** A row that is read costs its block and some of an index, a row that is written costs those of each index. */
const BLOCKS_PER_ROW = { reads: 8, writes: 50 }
const FEW_BLOCKS = 60
/** Some statements look a row up to choose it, to lock it and to write it; a merged page reads both of its ranges. */
const READINGS_PER_ROW = 4

const isFrugal = (kind: keyof typeof BLOCKS_PER_ROW, rows: number, reading: Reading) =>
  reading.rows <= READINGS_PER_ROW * rows + READINGS_PER_ROW &&
  reading.blocks > 0 &&
  reading.blocks <= FEW_BLOCKS + BLOCKS_PER_ROW[kind] * rows

t.test('every statement reads a small multiple of what it returns or writes', t =>
  // One connection, which has the prepared statements.
  database.migrate(async db => {
    for (const table of ['task', 'user_clock', 'idempotency_key']) {
      await sql`alter table ${sql.table(table)} set (autovacuum_enabled = off)`.execute(db)
    }
    const nobodys = { live: [randomUUID()], deleted: [randomUUID()], keysOfUser: ['key'] }
    const early = prepareStatements(db)
    for (const ofKind of Object.values(cases(nobodys))) {
      for (const [, use] of Object.values(ofKind)) await early.prepare(use)
    }

    const all = cases(await load(db))
    const names = new Set<string | undefined>()
    const sweep = async (what: string, measure: (use: Use) => Promise<Reading>) => {
      for (const kind of ['reads', 'writes'] as const) {
        for (const [name, [rows, use]] of Object.entries(all[kind])) {
          const reading = await measure(use)
          t.ok(isFrugal(kind, rows, reading), `${name}, ${what}: ${JSON.stringify(reading)}`)
          for (const name of reading.names) names.add(name)
        }
      }
    }
    const sweepAll = async (state: string) => {
      for (const mode of planModes) await sweep(`${state}, ${mode}`, use => measureReading(db, mode, use))
    }
    await sweep('prepared when the tables were empty', early.measure)
    await sweepAll('never analyzed')
    const walk = (db: Kysely<Tables>) =>
      db.executeQuery(
        sql`select id from task where user_id = ${user} and title > '' and completed_at is null`.compile(db),
      )
    const walking = await measureReading(db, 'force_custom_plan', walk)
    t.notOk(
      isFrugal('reads', 51, walking),
      `a statement that scans the user's rows is detected: ${JSON.stringify(walking)}`,
    )
    await sql`vacuum analyze`.execute(db)
    await sweepAll('analyzed')

    await using service = await startService({ config: ownDatabase })
    const sent = await collectStatements(service)
    t.same(
      sent.filter(({ name }) => !names.has(name)),
      [],
      'every statement that the service sends is measured',
    )
  }),
)
