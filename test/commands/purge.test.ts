/** `npm run purge`, and the purging that a server does by itself. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import t from 'tap'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { ownDatabase, randomUser, silent } from '../../scripts/support/service.ts'
import { type DatabaseConfig, openDatabase } from '../../src/database/open.ts'

const { DATABASE_URL: _, ...inherited } = process.env
const script = fileURLToPath(new URL('../../src/commands/purge.ts', import.meta.url))

/** A database in which one task was deleted half a minute ago. */
async function databaseWithTombstone(test: Parameters<typeof ownDatabase>[0]): Promise<DatabaseConfig> {
  const config = await ownDatabase(test)
  const database = await openDatabase(config, silent)
  await database.prepare(new AbortController().signal)
  const time = new Date(Date.now() - 30_000).toISOString()
  const id = '01a19b7c-a680-7bde-9be2-8c463465bc89'
  const task = { id, title: 'T', completed: false, created_at: time, updated_at: time, deleted_at: time, revision: 2 }
  const user_id = randomUser()
  await database.kysely.insertInto('user_clock').values({ user_id, revision: 2 }).execute()
  await database.kysely
    .insertInto('task')
    .values({ user_id, description: null, completed_at: null, ...task })
    .execute()
  await database.close()
  return config
}

t.test('the command purges by the configured retention, and says what', async t => {
  const config = await databaseWithTombstone(t)
  const purge = async (env: Record<string, string>) => {
    const { stdout } = await promisify(execFile)(process.execPath, [script], {
      env: { ...inherited, ...environment(config), ...env },
    })
    return stdout.trim().split('\n').slice(1)
  }
  t.same(await purge({}), ['0 tombstones and 0 keys purged'])
  const purged = '1 tombstones and 0 keys purged'
  t.same(await purge({ TOMBSTONE_RETENTION: '10' }), [purged, purged], 'in the middle and in the end')
  await t.rejects(purge({ TOMBSTONE_RETENTION: '0' }), { code: 1, stderr: /^TOMBSTONE_RETENTION must be/ })
})

t.test('rows that cannot be purged are reported, and the command fails', async t => {
  const config = await databaseWithTombstone(t)
  const database = await openDatabase(config, silent)
  await sql`
    create function refuse() returns trigger language plpgsql as $$
    begin raise exception 'this row stays'; end $$`.execute(database.kysely)
  await sql`
    create trigger stuck before delete on task for each row execute function refuse()`.execute(database.kysely)
  await database.close()
  const env = { ...inherited, ...environment(config), TOMBSTONE_RETENTION: '10' }
  await t.rejects(promisify(execFile)(process.execPath, [script], { env }), {
    code: 1,
    stdout: /^0 tombstones and 0 keys purged$/m,
    stderr: /^A user's rows were not purged: .*this row stays\.$/m,
  })
})

t.test('a database that is not there is told in a sentence', async t => {
  const env = { ...inherited, DATABASE_URL: 'postgresql://127.0.0.1:1/none' }
  await t.rejects(promisify(execFile)(process.execPath, [script], { env }), {
    code: 1,
    stderr: /^The database cannot be used: .*ECONNREFUSED/,
  })
})

t.test('a server purges by itself', async t => {
  const config = await databaseWithTombstone(t)
  await using service = await startProcess({ ...environment(config), TOMBSTONE_RETENTION: '10' })
  const { logged } = service
  t.match(await logged(({ msg }) => msg === 'job done'), { job: 'purge', tombstones: 1, keys: 0 })
})

t.test('with PURGE_INTERVAL=0 it does not', async t => {
  const config = await databaseWithTombstone(t)
  await using service = await startProcess({ ...environment(config), TOMBSTONE_RETENTION: '10', PURGE_INTERVAL: '0' })
  // The first thing that a server does with its database, once that is ready, is to purge.
  await untilHealthy(service.origin)
  t.match(await service.end('SIGTERM'), { code: 0 })
  const database = await openDatabase(config, silent)
  t.equal((await database.kysely.selectFrom('task').select('id').execute()).length, 1)
  t.same(await database.kysely.selectFrom('job').selectAll().execute(), [], 'nobody has taken the job')
  await database.close()
})
