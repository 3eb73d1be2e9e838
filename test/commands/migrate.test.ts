/** `npm run migrate` */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import t from 'tap'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { environment } from '../../scripts/support/process.ts'
import { onPostgres, ownDatabase, silent } from '../../scripts/support/service.ts'
import { migrateDown } from '../../src/database/migrate.ts'
import { openDatabase } from '../../src/database/open.ts'

const { DATABASE_URL: _, ...inherited } = process.env
const script = fileURLToPath(new URL('../../src/commands/migrate.ts', import.meta.url))

t.test('status, up and down', async t => {
  const config = await ownDatabase(t)
  const migrate = async (...command: string[]) => {
    const { stdout } = await promisify(execFile)(process.execPath, [script, ...command], {
      env: { ...inherited, ...environment(config) },
    })
    const [where, ...lines] = stdout.trim().split('\n')
    t.match(where, /^(PGlite in|PostgreSQL at) /)
    return lines
  }
  const database = await openDatabase(config, silent)
  await database.prepare(new AbortController().signal)
  while ((await migrateDown(database.kysely)).length > 0);
  await database.close()

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

t.test('a database that is not there, and one that is not ours, end in one sentence', async t => {
  await using folder = await temporaryFolder()
  const migrate = (env: Record<string, string>) =>
    promisify(execFile)(process.execPath, [script], { env: { ...inherited, ...env } })
  await t.rejects(migrate({ DATABASE_URL: `postgresql://postgres@/x?host=${encodeURIComponent(folder.path)}` }), {
    code: 1,
    stderr: /^The database cannot be used: connect ENOENT .*\.\n$/,
  })
  const config = await ownDatabase(t)
  const database = await openDatabase(config, silent)
  await database.prepare(new AbortController().signal)
  await sql`drop table kysely_migration`.execute(database.kysely)
  await database.close()
  await t.rejects(migrate(environment(config)), {
    code: 1,
    stderr: /^The database cannot be used: relation "\w+" already exists\.\n$/,
  })
})

t.test('migrations wait for locks, as long as it takes', { skip: !onPostgres && 'PGlite has one session' }, async t => {
  const config = await ownDatabase(t)
  const database = await openDatabase(config, silent)
  t.teardown(() => database.close())
  await database.prepare(new AbortController().signal)
  const { rows } = await database.migrate(db =>
    sql<
      Record<string, string>
    >`select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock`.execute(db),
  )
  t.same(rows, [{ statement: '0', lock: '0' }])
})
