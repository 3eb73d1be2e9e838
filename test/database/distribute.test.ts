/** `npm run distribute` beside a running service, what migrations and their status do with its result, and refusals. */
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Kysely, sql } from 'kysely'
import t, { type Test } from 'tap'
import { createDatabase, execute } from '../../scripts/support/database.ts'
import { environment, launch, runToExit } from '../../scripts/support/process.ts'
import { type HeldDatabase, onCitus, ownDatabase, startService } from '../../scripts/support/service.ts'
import { migrateDown, migrateUp } from '../../src/database/migrate.ts'
import type { Tables } from '../../src/database/tables.ts'
import { openDisposable, openPrepared } from '../support/database.ts'
import { insertTask } from '../support/migrations.ts'

const program = [fileURLToPath(new URL('../../src/commands/distribute.ts', import.meta.url))]
const migrate = fileURLToPath(new URL('../../src/commands/migrate.ts', import.meta.url))
const skip = !onCitus && 'it needs Citus: use npm run test:citus'

/** Runs the command. Returns what it printed, one item for each line, without the line that names the database. */
async function distribute(config: HeldDatabase): Promise<{ code: number | null; lines: string[]; stderr: string }> {
  const { code, stdout, stderr } = await runToExit(environment(config), { program })
  return { code, lines: stdout.trim().split('\n').slice(1), stderr }
}

/** The lines of `npm run migrate -- status` on tables. */
async function status(config: HeldDatabase): Promise<string[]> {
  const { stdout } = await runToExit(environment(config), { program: [migrate, 'status'] })
  return stdout
    .trim()
    .split('\n')
    .slice(1)
    .filter(line => !/^\d/.test(line))
}

/** A database with the schema on a coordinator, whose tables are not distributed; they can be copied online. */
async function localDatabase(): Promise<HeldDatabase> {
  await using stack = new AsyncDisposableStack()
  const { url } = stack.use(await createDatabase(process.env.TEST_CITUS_URL as string))
  await execute(
    url,
    // PostgreSQL has this setting since 15.18, and not every later version.
    `do $$ begin
      if current_setting('output_plugin_libraries', true) is not null then
        execute format('alter database %I set output_plugin_libraries = pgoutput, citus', current_database());
      end if;
    end $$`,
  )
  const config = { databaseUrl: url, dataDir: '', poolSize: 5 }
  await using database = await openDisposable(config)
  await database.migrate(migrateUp)
  const resources = stack.move()
  return { ...config, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

const userTables = ['idempotency_key', 'task', 'user_clock']
const distributed = /^\tdistributed by user_id, \d+ shards(\t[^\t]+:\d+: \d+ shards, \d+ \w+)+$/

/** Checks that the tables with a user_id are distributed and co-located, and that no other table is. */
async function checkDistribution(t: Test, config: HeldDatabase, db: Kysely<Tables>): Promise<void> {
  for (const line of await status(config)) {
    const [name = ''] = line.split('\t')
    if (userTables.includes(name)) t.match(line.slice(name.length), distributed)
    else t.equal(line, `${name}\tlocal, on the coordinator`)
  }
  const { rows } = await sql<{ name: string; colocationid: number }>`
    select logicalrelid::text as name, colocationid from pg_dist_partition order by logicalrelid::text collate "C"`.execute(
    db,
  )
  t.same(
    rows.map(({ name }) => name),
    userTables,
  )
  t.equal(new Set(rows.map(({ colocationid }) => colocationid)).size, 1)
}

t.test('a database without Citus is refused with one sentence', { skip: onCitus && 'it has Citus' }, async t => {
  await using config = await ownDatabase()
  {
    await using _ = await openPrepared(config)
  }
  const { code, lines, stderr } = await distribute(config)
  const expected =
    config.databaseUrl === undefined
      ? 'PGlite cannot be distributed: set DATABASE_URL to the coordinator of Citus.\n'
      : 'The extension citus is not installed in this database: run `create extension citus` in it on every server, ' +
        'and add the workers with citus_add_node.\n'
  t.same({ code, lines, stderr }, { code: 1, lines: [], stderr: expected })
  t.same(await status(config), [])
})

t.test('a database with pending migrations or without workers is refused', { skip }, async t => {
  await using config = await localDatabase()
  await using database = await openDisposable(config)
  await sql`
    select citus_set_node_property(nodename, nodeport, 'shouldhaveshards', false) from pg_dist_node`.execute(
    database.kysely,
  )
  t.match(await distribute(config), {
    code: 1,
    lines: [],
    stderr: 'No server may hold shards: add the workers with citus_add_node.\n',
  })
  await database.migrate(migrateDown)
  t.match(await distribute(config), {
    code: 1,
    lines: [],
    stderr: 'The schema has pending migrations: run `npm run migrate` first.\n',
  })
  t.same(await status(config), [])
})

t.test('tables are distributed while the service writes', { skip }, async t => {
  await using config = await localDatabase()
  await using service = await startService({ config })
  const created: string[] = []
  const distributing = new AbortController()
  const write = async () => {
    while (!distributing.signal.aborted) {
      const user = await service.newUser()
      const { status, body } = await user.send.createTask({ title: 'A task' })
      if (status === 201) created.push(`${user.id} ${(body as { id: string }).id}`)
      else t.equal(status, 503)
    }
  }
  const writers = [write(), write(), write()]
  const { code, lines, stderr } = await distribute(config)
  distributing.abort()
  await Promise.all(writers)

  t.equal(code, 0, stderr)
  const printed = lines.map(line => line.replace(/ \(.*\)$/, ''))
  for (const table of userTables) {
    const expected = ['will be distributed by user_id', 'copying', 'distributed'].map(what => `${table}: ${what}`)
    t.same(
      printed.filter(line => line.startsWith(table)),
      expected,
    )
  }
  t.match(
    lines.find(line => line.startsWith('Each')),
    /^Each gets \d+ shards, on \S+:\d+, \S+:\d+\.$/,
  )
  t.ok(lines.includes('They are copied online: requests are served meanwhile.'))
  const { kysely } = service.database
  await checkDistribution(t, config, kysely)
  const rows = await kysely.selectFrom('task').select(['user_id', 'id']).execute()
  t.same(rows.map(({ user_id, id }) => `${user_id} ${id}`).sort(), created.sort(), 'each created task is there once')

  const again = await distribute(config)
  t.equal(again.code, 0, again.stderr)
  t.same(
    again.lines.slice(0, -1).sort(),
    userTables.map(table => `${table}: already distributed`),
  )
})

t.test('an interrupted run is continued by the next one', { skip }, async t => {
  await using config = await localDatabase()
  await using database = await openDisposable(config)
  const { kysely } = database
  await insertTask(kysely)

  // The tables are in use, so the command has to wait.
  const writer = await kysely.startTransaction().execute()
  await insertTask(writer)
  await using command = launch(environment(config), { program })
  const stdout = command.child.stdout as NodeJS.ReadableStream
  const stderr = text(command.child.stderr as NodeJS.ReadableStream)
  let printed = ''
  stdout.on('data', chunk => {
    printed += chunk
  })
  while (!printed.includes('Waiting for transactions that use the tables.')) await once(stdout, 'data')
  await writer.commit().execute()

  const interrupt = sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and query like '%create_distributed_table_concurrently%'
      and pid <> pg_backend_pid()`
  while ((await interrupt.execute(kysely)).rows.length === 0) await sleep(5)
  t.match(await command.exited, { code: 1 })
  t.match(await stderr, /^The database cannot be used: .+\.\n$/)
  await insertTask(kysely)

  const { code, stderr: errors } = await distribute(config)
  t.equal(code, 0, errors)
  await checkDistribution(t, config, kysely)
  t.equal((await kysely.selectFrom('task').select('id').execute()).length, 3)
})

t.test('without logical replication, tables are copied while writes wait', { skip }, async t => {
  await using config = await localDatabase()
  await using database = await openDisposable(config)
  const { kysely } = database
  const { rows } = await sql<{ libraries: string | null }>`
    select current_setting('output_plugin_libraries', true) as libraries`.execute(kysely)
  if (rows[0]?.libraries === null) return t.plan(0, 'this PostgreSQL has no output_plugin_libraries to forbid it with')
  await sql`
    do $$ begin execute format('alter database %I reset output_plugin_libraries', current_database()); end $$`.execute(
    kysely,
  )
  await insertTask(kysely)
  const { code, lines, stderr } = await distribute(config)
  t.equal(code, 0, stderr)
  t.ok(
    lines.includes(
      'output_plugin_libraries does not include citus, so they cannot be copied online: ' +
        'writes wait or get 503 until all are copied.',
    ),
  )
  await checkDistribution(t, config, kysely)
  t.equal((await kysely.selectFrom('task').select('id').execute()).length, 1)
  const left = await sql<{ bytes: number }>`select pg_relation_size('task') as bytes`.execute(kysely)
  t.same(left.rows, [{ bytes: 0 }], 'the original rows are gone')
})

t.test('migrations of distributed tables keep their rows and distribute what they add', { skip }, async t => {
  await using config = await ownDatabase()
  await using database = await openDisposable(config)
  await insertTask(database.kysely)
  const reverted: string[] = []
  // The first one creates the tables that are distributed.
  while (reverted.at(-1) !== '0002_sync') reverted.push(...(await database.migrate(migrateDown)))
  t.equal((await status(config)).filter(line => line.includes('idempotency_key')).length, 0)
  t.same(await database.migrate(migrateUp), reverted.toReversed())
  await checkDistribution(t, config, database.kysely)
  t.equal((await database.kysely.selectFrom('task').select('id').execute()).length, 1)
})
