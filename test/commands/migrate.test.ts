/** `npm run migrate` lists, applies and takes back migrations. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import t from 'tap'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { environment } from '../../scripts/support/process.ts'
import { type HeldDatabase, onPostgres, ownDatabase } from '../../scripts/support/service.ts'
import { migrateDown } from '../../src/database/migrate.ts'
import { openPrepared } from '../support/database.ts'

const { DATABASE_URL: _, ...inherited } = process.env
const script = fileURLToPath(new URL('../../src/commands/migrate.ts', import.meta.url))

/** Creates a database without the service's schema. */
async function emptyDatabase(): Promise<HeldDatabase> {
  await using stack = new AsyncDisposableStack()
  const config = stack.use(await ownDatabase())
  await using database = await openPrepared(config)
  while ((await migrateDown(database.kysely)).length > 0);
  stack.move()
  return config
}

/** Creates a database with the tables, but without the record of migrations. */
async function foreignDatabase(): Promise<HeldDatabase> {
  await using stack = new AsyncDisposableStack()
  const config = stack.use(await ownDatabase())
  await using database = await openPrepared(config)
  await sql`drop table kysely_migration`.execute(database.kysely)
  stack.move()
  return config
}

t.test('status lists migrations, up applies them, and down takes back the last one', async t => {
  await using config = await emptyDatabase()
  const migrate = async (...command: string[]) => {
    const { stdout } = await promisify(execFile)(process.execPath, [script, ...command], {
      env: { ...inherited, ...environment(config) },
    })
    const [where, ...lines] = stdout.trim().split('\n')
    t.match(where, /^(PGlite in|PostgreSQL at) /)
    return lines
  }

  const pending = await migrate('status')
  t.ok(pending.length > 0 && pending.every(line => /^\d{4}_\w+\tpending$/.test(line)))
  const done = await migrate()
  t.same(
    done,
    pending.map(line => line.replace('pending', 'done')),
  )
  t.same(await migrate('up'), ['The schema is up to date.'])
  for (const line of await migrate('status')) t.match(line, /^\d{4}_\w+\t\d{4}-.*Z$/)
  t.same(await migrate('down'), [(done.at(-1) as string).replace('done', 'reverted')])
  await t.rejects(migrate('sideways'), { code: 1, stderr: 'Unknown command sideways: use up, down or status.\n' })
})

t.test('an unavailable database, or one with other tables, ends the command with one sentence', async t => {
  await using folder = await temporaryFolder()
  const migrate = (env: Record<string, string>) =>
    promisify(execFile)(process.execPath, [script], { env: { ...inherited, ...env } })
  await t.rejects(migrate({ DATABASE_URL: `postgresql://postgres@/x?host=${encodeURIComponent(folder.path)}` }), {
    code: 1,
    stderr: /^The database cannot be used: connect ENOENT .*\.\n$/,
  })
  await using config = await foreignDatabase()
  await t.rejects(migrate(environment(config)), {
    code: 1,
    stderr: /^The database cannot be used: relation "\w+" already exists\.\n$/,
  })
})

t.test('migrations wait for locks without a timeout', { skip: !onPostgres && 'PGlite has one session' }, async t => {
  await using config = await ownDatabase()
  await using database = await openPrepared(config)
  const { rows } = await database.migrate(db =>
    sql<
      Record<string, string>
    >`select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock`.execute(db),
  )
  t.same(rows, [{ statement: '0', lock: '0' }])
})
