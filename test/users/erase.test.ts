/** eraseUser and `npm run forget`: nothing of a user stays. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import t from 'tap'
import { environment } from '../../scripts/support/process.ts'
import { onPostgres, ownDatabase, randomUser, startService, type Task } from '../../scripts/support/service.ts'
import { erasePart } from '../../src/users/erase.ts'
import { untilWaiting } from '../support/locks.ts'

const { DATABASE_URL: _, ...inherited } = process.env
const config = await ownDatabase()
t.teardown(() => config[Symbol.asyncDispose]())
const forget = fileURLToPath(new URL('../../src/commands/forget.ts', import.meta.url))

const service = await startService({ config })
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create } = service
const { kysely } = service.database

const erase = (user: string, confirm = user) => call('DELETE', `/api/${user}?confirm=${confirm}`)

/** Which tables have the text in any row. */
async function tablesWith(text: string): Promise<string[]> {
  const tables = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = 'public'`.execute(kysely)
  const found: string[] = []
  for (const { name } of tables.rows) {
    const { rows } = await sql`
      select from ${sql.table(name)} as row where row::text like ${`%${text}%`} limit 1`.execute(kysely)
    if (rows.length > 0) found.push(name)
  }
  return found
}

/** Leaves something in every table that has a user's rows. */
async function fill(user: string): Promise<Task> {
  const task = await create(user, {}, { 'idempotency-key': 'key' })
  const other = await create(user)
  await call('DELETE', `/api/${user}/tasks/${other.id}`)
  return task
}

t.test('afterwards no row of any table has the user’s id, and others lose nothing', async t => {
  const [user, neighbour] = [randomUser(), randomUser()]
  await fill(user)
  const kept = await fill(neighbour)
  t.same(new Set(await tablesWith(user)), new Set(['task', 'idempotency_key', 'user_clock']))
  t.match([(await erase(user)).status, (await erase(user)).body], [200, { deleted: 0, has_more: false }])
  t.same(await tablesWith(user), [])
  t.same((await call('GET', `/api/${neighbour}/tasks/${kept.id}`)).body, kept)
  t.same((await call('GET', `/api/${user}/tasks`)).body, { data: [], next_cursor: null })
})

t.test('without the confirmation, or with another one, nothing is erased', async t => {
  const user = randomUser()
  await fill(user)
  for (const query of ['', '?confirm=', `?confirm=${randomUser()}`]) {
    const { status, body } = await call('DELETE', `/api/${user}${query}`)
    t.match([status, body], [400, { code: 'validation_failed', errors: [{ in: 'query', name: 'confirm' }] }])
  }
  t.equal((await call('GET', `/api/${user}/tasks`)).body.data.length, 1)
})

t.test('a user of many tasks is erased in parts, and clients start anew from the first one on', async t => {
  const user = randomUser()
  const task = await create(user)
  await sql`
    insert into task (user_id, id, title, completed, created_at, updated_at, revision)
    select user_id, gen_random_uuid(), title, false, created_at, updated_at, 1 + number
    from task, generate_series(1, 5000) as number where user_id = ${user}`.execute(kysely)
  await sql`update user_clock set revision = 5001, live = 5001 where user_id = ${user}`.execute(kysely)
  const { next } = (await call('GET', `/api/${user}/changes`)).body
  t.match((await erase(user)).body, { deleted: 5000, has_more: true })
  t.equal((await call('GET', `/api/${user}/changes?since=${next}`)).status, 410)
  t.match((await erase(user)).body, { deleted: 1, has_more: false })
  t.same(await tablesWith(user), [])
  t.equal((await call('GET', `/api/${user}/tasks/${task.id}`)).status, 404)
})

t.test('who writes again starts at revision 1, and tokens from before are 410', async t => {
  const user = randomUser()
  await fill(user)
  const { next } = (await call('GET', `/api/${user}/changes`)).body
  await erase(user)
  const { status, body } = await call('GET', `/api/${user}/changes?since=${next}`)
  t.match([status, body.code], [410, 'sync_token_expired'])
  const empty = (await call('GET', `/api/${user}/changes`)).body.next
  const tasks = [await create(user), await create(user), await create(user)]
  t.same(
    tasks.map(({ revision }) => revision),
    [1, 2, 3],
  )
  // At a revision that exists again, of data that do not.
  t.equal((await call('GET', `/api/${user}/changes?since=${next}`)).status, 410)
  t.equal(
    (await call('GET', `/api/${user}/changes?since=${empty}`)).body.data.length,
    3,
    'who knew nothing, knows nothing wrong',
  )
})

t.test(
  'a write that is in progress meanwhile keeps its counter',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const user = randomUser()
    await create(user)
    const writing = await kysely.startTransaction().execute()
    await sql`update user_clock set revision = revision + 1, live = live + 1 where user_id = ${user}`.execute(writing)
    await sql`
      insert into task (user_id, id, title, completed, created_at, updated_at, revision)
      values (${user}, gen_random_uuid(), 'T', false, now(), now(), 2)`.execute(writing)
    const erasing = erasePart(kysely, user)
    await untilWaiting(kysely, 'delete from task')
    await writing.commit().execute()
    t.match(await erasing, { tasks: 1, hasMore: false })
    t.equal((await create(user)).revision, 3, 'revisions go on')
    await erase(user)
    t.same(await tablesWith(user), [])
  },
)

t.test('npm run forget erases, says what, and wants one user', async t => {
  const own = await ownDatabase(t)
  const user = randomUser()
  await t.test('a service that has stored something', async () => {
    await using service = await startService({ config: own })
    const { create } = service
    await create(user, {}, { 'idempotency-key': 'key' })
  })
  const run = (...users: string[]) =>
    promisify(execFile)(process.execPath, [forget, ...users], { env: { ...inherited, ...environment(own) } })
  t.match((await run(user)).stdout, /^1 tasks and 1 idempotency keys erased$/m)
  t.match((await run(user)).stdout, /^0 tasks and 0 idempotency keys erased$/m)
  await t.rejects(run(), { code: 1, stderr: /Usage: npm run forget -- <user_id>/ })
  await t.rejects(run('a', 'b'), { code: 1, stderr: /Usage/ })
})
