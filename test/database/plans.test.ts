/** How the database carries out what the service sends: along an index, whatever it knows of the data. */
import { type Kysely, sql } from 'kysely'
import t from 'tap'
import * as changes from '../../src/changes/queries.ts'
import { openDatabase } from '../../src/database/open.ts'
import type { Tables } from '../../src/database/tables.ts'
import * as purging from '../../src/purge/queries.ts'
import { UNLIMITED } from '../../src/quotas.ts'
import { list } from '../../src/tasks/list-queries.ts'
import * as tasks from '../../src/tasks/queries.ts'
import * as trash from '../../src/tasks/trash-queries.ts'
import * as users from '../../src/users/queries.ts'
import { ownDatabase, randomUser, silent, startService } from '../helper/service.ts'
import { collectStatements, countBlocks, explainTree, type Plan, seed } from '../helper/statements.ts'

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** What reads all there is, or sorts it: a page is sorted above the node that limits it, in its own query or the one that chose it. */
const isUnbounded = (plan: Plan) =>
  ['Seq Scan', 'Bitmap Heap Scan', 'Hash Join', 'Merge Join'].includes(plan['Node Type']) ||
  (plan['Node Type'] === 'Sort' &&
    nodesOf(plan).some(node => node['Relation Name'] !== undefined) &&
    !nodesOf(plan).some(node => node['Node Type'] === 'Limit'))

/**
 * Columns that an index narrows by: where one of them is in a filter, rows are read that are not wanted. `deleted_at` may be, of rows
 * that were looked up by id.
 */
const INDEXED: Record<string, RegExp> = {
  task: /\b(user_id|id|completed|created_at|updated_at|title|revision)\b/,
  idempotency_key: /\b(user_id|key)\b/,
  user_clock: /\buser_id\b/,
}

const isFiltered = ({ 'Relation Name': table, Filter: filter }: Plan) =>
  table !== undefined && filter !== undefined && INDEXED[table]?.test(filter) === true

const config = await ownDatabase(t)

t.test('no statement reads a whole table, and none sorts more than a page', async t => {
  const service = await startService(t, { config })
  const statements = await collectStatements(service)
  const { kysely } = service.database
  const check = async (what: string) => {
    for (const { name, text } of statements) {
      const plan = await explainTree(kysely, text)
      const nodes = nodesOf(plan as Plan)
      t.ok(nodes.length > 0)
      t.same(nodes.filter(isUnbounded), [], `${name}, ${what}`)
      t.same(nodes.filter(isFiltered), [], `${name}, ${what}: no filter does the work of an index condition`)
    }
  }
  await check('when nothing is known of the tables')
  await seed(kysely)
  await check('when they are counted')
})

/** How many live tasks, and as many tombstones, the one user has who has most of them. */
const MANY = 20_000

/** Seeds that user, with every other task completed, and returns ids of live tasks and of tombstones. */
async function seedMany(kysely: Kysely<Tables>, user: string): Promise<{ live: string[]; deleted: string[] }> {
  await sql`alter table task set (autovacuum_enabled = off)`.execute(kysely)
  await sql`insert into user_clock (user_id, revision, live, tombstones)
    values (${user}, ${2 * MANY}, ${MANY}, ${MANY})`.execute(kysely)
  await sql`
    insert into task (user_id, id, title, completed, completed_at, created_at, updated_at, deleted_at, revision)
    select ${user}, gen_random_uuid(), md5(number::text), number % 4 < 2, case when number % 4 < 2 then now() end,
      now() - number * interval '1 minute', now(), case when number % 2 = 0 then now() - number * interval '1 second' end, number
    from generate_series(1, ${2 * MANY}) as number`.execute(kysely)
  const ids = async (state: 'is' | 'is not') =>
    (await kysely.selectFrom('task').select('id').where('deleted_at', state, null).limit(50).execute()).map(
      ({ id }) => id,
    )
  return { live: await ids('is'), deleted: await ids('is not') }
}

t.test('no statement looks at more than what it returns or writes, whatever else the user has', async t => {
  const database = await openDatabase(await ownDatabase(t), silent)
  t.teardown(() => database.close())
  await database.prepare(new AbortController().signal)
  const { kysely } = database
  const user = randomUser()
  const { live, deleted } = await seedMany(kysely, user)
  const [now, long] = [new Date().toISOString(), new Date(0).toISOString()]
  const condition = { only: null, except: [] }
  const page = { limit: 51, pageBytes: 1_048_576 }
  const [id, tombstone] = [live[0] as string, deleted[0] as string]
  const reads: Record<string, [rows: number, use: (db: Kysely<Tables>) => Promise<unknown>]> = {
    find: [1, db => tasks.find(db, user, id)],
    findTaken: [1, db => tasks.findTaken(db, user, tombstone, long)],
    snapshot: [page.limit, db => changes.list(db, user, { ...page, position: 0, since: null })],
    changes: [page.limit, db => changes.list(db, user, { ...page, position: MANY, since: MANY })],
    lock: [20, db => tasks.lock(db, user, live.slice(0, 20))],
    findTombstones: [page.limit, db => purging.findTombstones(db, now, purging.START, page.limit)],
  }
  for (const sort of ['-created_at', 'title'] as const) {
    for (const completed of [undefined, true, false]) {
      for (const deletedSince of [undefined, long]) {
        const name = `list ${sort} ${completed} ${deletedSince}`
        reads[name] = [page.limit, db => list(db, user, { ...page, sort, completed, deletedSince })]
      }
    }
  }
  const writes: typeof reads = {
    update: [1, db => tasks.update(db, user, id, { title: 'T' }, condition, now)],
    remove: [1, db => trash.remove(db, user, id, condition, now)],
    restore: [1, db => trash.restore(db, user, tombstone, condition, { deletedSince: long, quota: UNLIMITED })],
    removeAll: [50, db => trash.removeAll(db, user, true, 50, now)],
    trim: [50, db => trash.trim(db, user, MANY - 50, 5_000)],
    removeTombstones: [50, db => purging.removeTombstones(db, user, deleted, now)],
    eraseTasks: [50, db => users.eraseTasks(db, user, 50, 1)],
  }
  const check = async (what: string) => {
    // A row that is read costs its page and some of an index, a row that is written costs those of every index.
    for (const [cases, perRow] of [
      [reads, 8],
      [writes, 120],
    ] as const) {
      for (const [name, [rows, use]] of Object.entries(cases)) {
        const blocks = await countBlocks(kysely, use)
        t.ok(blocks > 0 && blocks <= 100 + rows * perRow, `${name}, ${what}: ${blocks} blocks`)
      }
    }
  }
  await check('when nothing is known of the tables')
  const walking = await countBlocks(kysely, db =>
    db.executeQuery(
      sql`select id from task where user_id = ${user} and title > ${''} and completed_at is null`.compile(db),
    ),
  )
  t.ok(walking > 5_000, `what walks the user's rows is seen: ${walking} blocks`)
  await sql`vacuum analyze`.execute(kysely)
  await check('when they are counted')
})
