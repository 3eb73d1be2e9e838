/** Every statement reads a small multiple of what it returns or writes, with and without statistics for the planner. */
import { randomUUID } from 'node:crypto'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import t from 'tap'
import { measureReading, planModes, prepareStatements, type Reading } from '../../scripts/support/explain.ts'
import { onCitus, onPostgres, ownDatabase, randomUser, silent, startService } from '../../scripts/support/service.ts'
import { collectStatements } from '../../scripts/support/statements.ts'
import { openDatabase } from '../../src/database/open.ts'
import type { Tables } from '../../src/database/tables.ts'
import { type Owner, ownPosition, TAG, TAGGED, type Use, usesOfStatements } from '../support/uses.ts'

if (onCitus) {
  t.plan(0, 'a worker plans statements as one PostgreSQL does, but its plans do not reach the coordinator')
  process.exit(0)
}

/** The rows of the user with most of them. PGlite takes ten times as long to load them. */
const LIVE = 100_000
const TOMBSTONES = onPostgres ? 1_000_000 : 100_000
const KEYS = 20_000

const config = await ownDatabase()
t.teardown(() => config[Symbol.asyncDispose]())
const database = await openDatabase(config, silent)
t.teardown(() => database.close())
await database.prepare(new AbortController().signal)

const user = randomUser()
const count = { live: LIVE, tombstones: TOMBSTONES }

/** Loads the rows of the large user and some of others, without anything that would invalidate prepared plans. */
async function load(db: Kysely<Tables>): Promise<Owner> {
  const insert = (owner: RawBuilder<unknown>, count: number, deletedAt: RawBuilder<unknown>) => sql`
    insert into task (user_id, id, title, completed, completed_at, created_at, updated_at, deleted_at, revision,
      due, due_key, priority, tags, position)
    select ${owner}, gen_random_uuid(), 'task ' || number, number % 2 = 0, case when number % 2 = 0 then now() end,
      now() - number * interval '1 second', now() - number * interval '1 second', ${deletedAt}, number,
      case when number % 3 > 0 then jsonb_build_object('date', due, 'time', null) end,
      case when number % 3 > 0 then due::text else '~' end,
      number % 4, case when number <= ${TAGGED}::int then array[${TAG}::text] else '{}' end,
      'V' || number || 'V'
    from generate_series(1, ${count}::int) as number, lateral (select date '2026-11-24' - number % 100 + 50 as due) as dates`
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
  await sql`insert into job (name, not_before) values ('time_zones 2026c', now())`.execute(db)
  const ids = async (state: 'is' | 'is not') => {
    const chosen = db.selectFrom('task').select('id').where('user_id', '=', user).where('deleted_at', state, null)
    return (await chosen.limit(50).execute()).map(({ id }) => id)
  }
  const chosen = db.selectFrom('idempotency_key').select('key').where('user_id', '=', user)
  const keysOfUser = (await chosen.limit(50).execute()).map(({ key }) => key)
  const live = await ids('is')
  for (const id of live.slice(0, 20)) {
    await db
      .updateTable('task')
      .set({ position: ownPosition(id) })
      .where('user_id', '=', user)
      .where('id', '=', id)
      .execute()
  }
  return { user, count, live, deleted: await ids('is not'), keysOfUser }
}

/** A row that is read costs its block and some of an index, a row that is written costs those of each index. */
const BLOCKS_PER_ROW = { reads: 8, writes: 50 }
const FEW_BLOCKS = 60
/** Some statements look a row up to choose it, to lock it and to write it; a merged page reads both of its ranges. */
const READINGS_PER_ROW = 6

/** @param searched rows that it may look at once more, for one block each and some of an index */
const isFrugal = (kind: keyof typeof BLOCKS_PER_ROW, rows: number, reading: Reading, searched = 0) =>
  reading.rows <= READINGS_PER_ROW * rows + READINGS_PER_ROW + searched &&
  // No statement is sent for a list that is known to be empty.
  (reading.blocks > 0 || reading.names.length === 0) &&
  reading.blocks <= FEW_BLOCKS + BLOCKS_PER_ROW[kind] * rows + 1.1 * searched

t.test('every statement reads a small multiple of what it returns or writes', t =>
  // One connection, which has the prepared statements.
  database.migrate(async db => {
    for (const table of ['task', 'user_clock', 'idempotency_key']) {
      await sql`alter table ${sql.table(table)} set (autovacuum_enabled = off)`.execute(db)
    }
    const nobodys = { user, count, live: [randomUUID()], deleted: [randomUUID()], keysOfUser: ['key'] }
    const early = prepareStatements(db)
    for (const ofKind of Object.values(usesOfStatements(nobodys))) {
      for (const [, use] of Object.values(ofKind)) await early.prepare(use)
    }

    const all = usesOfStatements(await load(db))
    const names = new Set<string | undefined>()
    const sweep = async (what: string, measure: (use: Use) => Promise<Reading>) => {
      for (const kind of ['reads', 'writes'] as const) {
        for (const [name, [rows, use, searched]] of Object.entries(all[kind])) {
          const reading = await measure(use)
          t.ok(isFrugal(kind, rows, reading, searched), `${name}, ${what}: ${JSON.stringify(reading)}`)
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
