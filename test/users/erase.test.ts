/** eraseUser and `npm run forget` delete everything that is stored for a user. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import t from 'tap'
import { invalid, type User } from '../../scripts/support/client.ts'
import { environment } from '../../scripts/support/process.ts'
import { onPostgres, ownDatabase, randomUser, startService, type Task } from '../../scripts/support/service.ts'
import { erasePart } from '../../src/users/erase.ts'
import { untilWaiting } from '../support/locks.ts'

const { DATABASE_URL: _, ...inherited } = process.env
const forget = fileURLToPath(new URL('../../src/commands/forget.ts', import.meta.url))

const service = await startService({ config: ownDatabase })
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

const erase = (user: User) => user.eraseUser({ query: { confirm: user.id } })

/** The tables that contain the text in any row. */
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

/** Stores something in every table that has rows of users; returns a live task. */
async function fill(user: User): Promise<Task> {
  const task = await user.createTask({ title: 'Live' }, { header: { 'Idempotency-Key': 'key' } })
  const { id } = await user.createTask({ title: 'Deleted' })
  await user.deleteTask(id)
  return task
}

t.test('eraseUser leaves no row with the user’s id in any table and keeps the data of other users', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  await fill(alice)
  const kept = await fill(bob)
  t.same(new Set(await tablesWith(alice.id)), new Set(['task', 'idempotency_key', 'user_clock']))
  t.same(await erase(alice), { deleted_task_count: 2, has_more: false })
  t.same(await erase(alice), { deleted_task_count: 0, has_more: false }, 'a second call has nothing to delete')
  t.same(await tablesWith(alice.id), [])
  t.same(await bob.getTask(kept.id), kept)
  t.same(await alice.listTasks(), { data: [], next_cursor: null })
})

t.test('eraseUser without the user’s id as confirmation returns 400 and erases nothing', async t => {
  const alice = await service.newUser()
  await fill(alice)
  for (const query of [{}, { confirm: '' }, { confirm: randomUser() }]) {
    t.match(await alice.send.eraseUser({ query: invalid(query) }), {
      status: 400,
      body: { code: 'validation_failed', errors: [{ in: 'query', name: 'confirm' }] },
    })
  }
  t.equal((await alice.listTasks()).data.length, 1)
})

t.test('eraseUser erases a user with many tasks in steps; sync tokens are 410 after the first step', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  await sql`
    insert into task (user_id, id, title, completed, created_at, updated_at, revision)
    select user_id, gen_random_uuid(), title, false, created_at, updated_at, 1 + number
    from task, generate_series(1, 5000) as number where user_id = ${alice.id}`.execute(kysely)
  await sql`update user_clock set revision = 5001, live = 5001 where user_id = ${alice.id}`.execute(kysely)
  const { next_sync_token } = await alice.listChanges()
  t.match(await erase(alice), { deleted_task_count: 5000, has_more: true })
  t.equal((await alice.send.listChanges({ query: { sync_token: next_sync_token } })).status, 410)
  t.match(await erase(alice), { deleted_task_count: 1, has_more: false })
  t.same(await tablesWith(alice.id), [])
  t.equal((await alice.send.getTask(task.id)).status, 404)
})

t.test('an erased user starts again at revision 1, and earlier sync tokens are 410', async t => {
  const alice = await service.newUser()
  await fill(alice)
  const query = { sync_token: (await alice.listChanges()).next_sync_token }
  await erase(alice)
  t.match(await alice.send.listChanges({ query }), { status: 410, body: { code: 'sync_token_expired' } })
  const { next_sync_token: empty } = await alice.listChanges()
  const tasks = [
    await alice.createTask({ title: 'T' }),
    await alice.createTask({ title: 'T' }),
    await alice.createTask({ title: 'T' }),
  ]
  t.same(
    tasks.map(({ revision }) => revision),
    [1, 2, 3],
  )
  // The revision of this token exists again, but the data are different.
  t.equal((await alice.send.listChanges({ query })).status, 410)
  t.equal(
    (await alice.listChanges({ query: { sync_token: empty } })).data.length,
    3,
    'a token from after the erasure is valid',
  )
})

t.test(
  'a write in progress during an erasure keeps the user’s counter',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const alice = await service.newUser()
    await alice.createTask({ title: 'T' })
    const writing = await kysely.startTransaction().execute()
    await sql`
      update user_clock set revision = revision + 1, live = live + 1 where user_id = ${alice.id}`.execute(writing)
    await sql`
      insert into task (user_id, id, title, completed, created_at, updated_at, revision)
      values (${alice.id}, gen_random_uuid(), 'T', false, now(), now(), 2)`.execute(writing)
    const erasing = erasePart(kysely, alice.id)
    await untilWaiting(kysely, 'delete from task')
    await writing.commit().execute()
    t.match(await erasing, { tasks: 1, hasMore: false })
    t.equal((await alice.createTask({ title: 'Next' })).revision, 3, 'revisions continue')
    await erase(alice)
    t.same(await tablesWith(alice.id), [])
  },
)

t.test('npm run forget erases one user and prints what it erased; it refuses any other number of users', async t => {
  await using own = await ownDatabase()
  const user = randomUser()
  {
    await using service = await startService({ config: own })
    const alice = await service.newUser({ id: user })
    await alice.createTask({ title: 'T' }, { header: { 'Idempotency-Key': 'key' } })
  }
  const run = (...users: string[]) =>
    promisify(execFile)(process.execPath, [forget, ...users], { env: { ...inherited, ...environment(own) } })
  t.match((await run(user)).stdout, /^1 tasks and 1 idempotency keys erased$/m)
  t.match((await run(user)).stdout, /^0 tasks and 0 idempotency keys erased$/m)
  await t.rejects(run(), { code: 1, stderr: /Usage: npm run forget -- <user_id>/ })
  await t.rejects(run('a', 'b'), { code: 1, stderr: /Usage/ })
})

t.test('eraseUser rejects an Idempotency-Key, which it would have to erase', async t => {
  const alice = await service.newUser()
  await alice.createTask({ title: 'T' })
  const response = await alice.send.eraseUser({ query: { confirm: alice.id }, header: { 'Idempotency-Key': 'k' } })
  t.match(response, { status: 400, body: { errors: [{ in: 'header', name: 'idempotency-key', code: 'unknown' }] } })
  t.equal((await alice.listTasks()).data.length, 1)
})
