/** `npm run purge`, and the purge that a server runs by itself. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import t from 'tap'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { type HeldDatabase, ownDatabase, randomUser } from '../../scripts/support/service.ts'
import { openDisposable, openPrepared } from '../support/database.ts'

const { DATABASE_URL: _, ...inherited } = process.env
const script = fileURLToPath(new URL('../../src/commands/purge.ts', import.meta.url))

/** Creates a database in which one task was deleted half a minute ago. */
async function databaseWithTombstone(): Promise<HeldDatabase> {
  await using stack = new AsyncDisposableStack()
  const config = stack.use(await ownDatabase())
  await using database = await openPrepared(config)
  const time = new Date(Date.now() - 30_000).toISOString()
  const id = '01a19b7c-a680-7bde-9be2-8c463465bc89'
  const task = { id, title: 'T', completed: false, created_at: time, updated_at: time, deleted_at: time, revision: 2 }
  const user_id = randomUser()
  await database.kysely.insertInto('user_clock').values({ user_id, revision: 2 }).execute()
  await database.kysely
    .insertInto('task')
    .values({ user_id, description: null, completed_at: null, ...task })
    .execute()
  stack.move()
  return config
}

t.test('the command purges by the configured retention and prints how much', async t => {
  await using config = await databaseWithTombstone()
  const purge = async (env: Record<string, string>) => {
    const { stdout } = await promisify(execFile)(process.execPath, [script], {
      env: { ...inherited, ...environment(config), ...env },
    })
    return stdout.trim().split('\n').slice(1)
  }
  t.same(await purge({}), ['0 tombstones and 0 keys purged'])
  const purged = '1 tombstones and 0 keys purged'
  t.same(await purge({ TOMBSTONE_RETENTION: '10' }), [purged, purged], 'as progress and as the result')
  await t.rejects(purge({ TOMBSTONE_RETENTION: '0' }), { code: 1, stderr: /^TOMBSTONE_RETENTION must be/ })
})

t.test('rows that cannot be purged are printed, and the command exits with 1', async t => {
  await using config = await databaseWithTombstone()
  await refuseDeletions(config)
  const env = { ...inherited, ...environment(config), TOMBSTONE_RETENTION: '10' }
  await t.rejects(promisify(execFile)(process.execPath, [script], { env }), {
    code: 1,
    stdout: /^0 tombstones and 0 keys purged$/m,
    stderr: /^A user's rows were not purged: .*this row stays\.$/m,
  })
})

async function refuseDeletions(config: HeldDatabase): Promise<void> {
  await using database = await openDisposable(config)
  await sql`
    create function refuse() returns trigger language plpgsql as $$
    begin raise exception 'this row stays'; end $$`.execute(database.kysely)
  await sql`
    create trigger stuck before delete on task for each row execute function refuse()`.execute(database.kysely)
}

t.test('an unavailable database ends the command with one sentence', async t => {
  const env = { ...inherited, DATABASE_URL: 'postgresql://127.0.0.1:1/none' }
  await t.rejects(promisify(execFile)(process.execPath, [script], { env }), {
    code: 1,
    stderr: /^The database cannot be used: .*ECONNREFUSED/,
  })
})

t.test('a server purges at its start', async t => {
  await using config = await databaseWithTombstone()
  await using service = await startProcess({ ...environment(config), TOMBSTONE_RETENTION: '10' })
  const { logged } = service
  t.match(await logged(({ msg }) => msg === 'job done'), { job: 'purge', tombstones: 1, keys: 0 })
})

t.test('a server with PURGE_INTERVAL=0 does not purge', async t => {
  await using config = await databaseWithTombstone()
  await using service = await startProcess({ ...environment(config), TOMBSTONE_RETENTION: '10', PURGE_INTERVAL: '0' })
  // A server would purge as soon as its database is ready.
  await untilHealthy(service.origin)
  t.match(await service.end('SIGTERM'), { code: 0 })
  await using database = await openDisposable(config)
  t.equal((await database.kysely.selectFrom('task').select('id').execute()).length, 1)
  const taken = await database.kysely.selectFrom('job').select('name').execute()
  t.notOk(
    taken.some(({ name }) => name === 'purge'),
    'no replica has taken the job',
  )
})
