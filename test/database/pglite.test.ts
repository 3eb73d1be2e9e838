/** The files and the maintenance of the embedded database. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import t from 'tap'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { silent } from '../../scripts/support/service.ts'
import { migrateUp } from '../../src/database/migrate.ts'
import { openDatabase } from '../../src/database/open.ts'
import { openPGlite } from '../../src/database/pglite.ts'
import type { Tables } from '../../src/database/tables.ts'
import { StartError } from '../../src/process/start-error.ts'
import { createLog } from '../support/log.ts'

const open = (dataDir: string) => openDatabase({ databaseUrl: undefined, dataDir, poolSize: 3 }, silent)

t.test('a new database is created completely or not at all', async t => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'not', 'there', 'yet')
  await mkdir(join(dataDir, 'pglite.new'), { recursive: true })
  await writeFile(join(dataDir, 'pglite.new', 'half'), 'left by a crash')
  const database = await open(dataDir)
  t.notOk(database.ready)
  await database.prepare(new AbortController().signal)
  t.ok(database.ready)
  t.same((await readdir(dataDir)).sort(), ['lock', 'owner', 'pglite'])
  await t.rejects(
    open(dataDir),
    { message: /is in use by process \d+ on / },
    'not even the same process opens it twice',
  )
  await database.close()
  await (await open(dataDir)).close()
})

t.test('files that are not a database are refused, and the folder is unlocked again', async t => {
  await using unreadable = await temporaryFolder()
  await mkdir(join(unreadable.path, 'pglite', 'PG_VERSION'), { recursive: true })
  await t.rejects(open(unreadable.path), { message: /^The data folder cannot be read: EISDIR/ })
  await using broken = await temporaryFolder()
  await mkdir(join(broken.path, 'pglite'))
  await writeFile(join(broken.path, 'pglite', 'PG_VERSION'), '18\n')
  for (const attempt of [1, 2]) {
    await t.rejects(open(broken.path), { message: /cannot be opened/, constructor: StartError }, `attempt ${attempt}`)
  }
})

t.test('closing a database that received no statement shuts it down cleanly', async t => {
  await using folder = await temporaryFolder()
  await (await open(folder.path)).close()
  t.notOk((await readdir(join(folder.path, 'pglite'))).includes('postmaster.pid'))
})

const addTasks = (db: Kysely<Tables>, count: number) =>
  sql`
  insert into task (user_id, id, title, completed, created_at, updated_at, revision)
  select 'user', gen_random_uuid(), 'T', false, now(), now(), number
  from generate_series(1, ${count}::int) as number`.execute(db)

/** Waits until the statistics of the table of tasks satisfy the condition. */
async function untilTasks(db: Kysely<Tables>, condition: string): Promise<void> {
  const query = sql.raw(`
    select from pg_stat_user_tables join pg_class using (relname) where relname = 'task' and ${condition}`)
  while ((await query.execute(db)).rows.length === 0) await sleep(5)
}

t.test('a table that has changed is analyzed and vacuumed, even if another table fails', async t => {
  const { log, line } = createLog()
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await temporaryFolder())
  const database = await openPGlite(path, log('warn'), 10)
  stack.defer(() => database.close())
  const { kysely } = database
  await migrateUp(kysely)
  // Analyzing the table computes its index expression.
  await kysely.transaction().execute(async transaction => {
    await sql`create table broken as select number from generate_series(1, 20000) as number`.execute(transaction)
    await sql`
      create function stuck(int) returns int immutable language plpgsql as
      $$ begin if current_setting('test.stuck', true) = 'on' then raise 'stuck'; end if; return $1; end $$`.execute(
      transaction,
    )
    await sql`create index on broken (stuck(number))`.execute(transaction)
    await sql`set test.stuck to 'on'`.execute(transaction)
  })
  t.match(await line(0), { msg: 'a table was not maintained; it will be tried again', error: /stuck/ })

  await addTasks(kysely, 5000)
  await untilTasks(kysely, 'reltuples = 5000')
  await sql`update task set title = 'U' where revision > 2500`.execute(kysely)
  await untilTasks(kysely, 'last_vacuum is not null and n_dead_tup = 0')
  t.pass('other tables are maintained')
})
