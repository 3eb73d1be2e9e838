/** Quotas: how much a user may keep, whoever the others are. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import { ownDatabase, randomUser, sharedDatabase, startService, type Task } from '../../scripts/support/service.ts'

const KEY_BYTES = 5_000
const config = await sharedDatabase()
t.teardown(() => config[Symbol.asyncDispose]())
const service = await startService({
  config,
  quotas: { tasks: 3, tombstones: 2, keyBytes: KEY_BYTES },
})
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create, database } = service
const { kysely } = database

const tasksPath = (user: string) => `/api/${user}/tasks`
const pathOf = (task: Task) => `${tasksPath(task.user_id)}/${task.id}`
const fill = async (user: string) => Promise.all([create(user), create(user), create(user)])
const post = (user: string, body: unknown = { title: 'T' }, headers = {}) =>
  call('POST', tasksPath(user), body, headers)
const remove = async (...tasks: Task[]) => {
  for (const task of tasks) t.equal((await call('DELETE', pathOf(task))).status, 204)
}

/** What is counted of a user, and what there is. */
async function counts(user: string) {
  const { rows } = await sql<Record<'live' | 'tombstones' | 'keys', [counted: string, found: string]>>`
    select array[live, (select count(*) from task where user_id = ${user} and deleted_at is null)]::text[] as live,
      array[tombstones, (select count(*) from task where user_id = ${user} and deleted_at is not null)]::text[] as tombstones,
      array[key_bytes, (select coalesce(sum(stored_bytes), 0) from idempotency_key where user_id = ${user})]::text[] as keys
    from user_clock where user_id = ${user}`.execute(kysely)
  return rows[0]
}

const exceeded = { code: 'quota_exceeded', detail: /at most 3 tasks/ }

t.test('a task beyond the quota is 409 that names the limit, and nothing is written', async t => {
  const user = randomUser()
  const [task] = await fill(user)
  const { body: before } = await call('GET', `/api/${user}/changes`)
  for (const body of [{ title: 'T' }, { title: 'T', id: randomUUID() }]) {
    const response = await post(user, body)
    t.match([response.status, response.body], [409, exceeded])
  }
  const taken = await post(user, { id: task?.id, title: 'T' })
  t.match([taken.status, taken.body.code], [409, 'id_taken'], 'an id that is taken is reported as that')
  t.same((await call('GET', `/api/${user}/changes`)).body, before)
  t.equal((await post(randomUser())).status, 201, 'others have their own')
  await remove(task as Task)
  t.equal((await post(user)).status, 201, 'there is room again')
})

t.test('a refusal for a quota is not kept for a key', async t => {
  const user = randomUser()
  const [task] = await fill(user)
  const again = () => post(user, { title: 'Again' }, { 'idempotency-key': 'key' })
  t.match((await again()).body, exceeded)
  await remove(task as Task)
  t.equal((await again()).status, 201)
})

t.test('a task that is restored counts', async t => {
  const user = randomUser()
  const [task] = await fill(user)
  await remove(task as Task)
  const another = await create(user)
  const restored = await call('POST', `${pathOf(task as Task)}/restore`)
  t.match([restored.status, restored.body], [409, exceeded])
  await remove(another)
  t.equal((await call('POST', `${pathOf(task as Task)}/restore`)).status, 200)
  t.same(await counts(user), { live: ['3', '3'], tombstones: ['1', '1'], keys: ['0', '0'] })
})

t.test('a batch that goes beyond the quota is undone, and its item named', async t => {
  const user = randomUser()
  const items = Array.from({ length: 4 }, () => ({ action: 'create', task: { title: 'T' } }))
  const { status, body } = await call('POST', `${tasksPath(user)}/batch`, { items })
  t.match([status, body], [409, { code: 'quota_exceeded', index: 3 }])
  t.same((await call('GET', tasksPath(user))).body.data, [])
})

t.test('of the tombstones beyond the quota the oldest go first', async t => {
  const user = randomUser()
  const tasks = await fill(user)
  await remove(...tasks)
  const ids = async () => (await call('GET', `${tasksPath(user)}?deleted=true`)).body.data.map(({ id }: Task) => id)
  t.same(new Set(await ids()), new Set(tasks.slice(1).map(({ id }) => id)))
  t.equal((await post(user, { id: tasks[0]?.id, title: 'T' })).status, 201, 'the id is free again')
  t.same(await counts(user), { live: ['1', '1'], tombstones: ['2', '2'], keys: ['0', '0'] })
})

t.test('deleteTasks, batches and keyed deletions keep to it, too', async t => {
  const user = randomUser()
  const items = (await fill(user)).map(({ id }) => ({ action: 'delete', id }))
  t.equal((await call('POST', `${tasksPath(user)}/batch`, { items })).status, 200)
  t.same((await counts(user))?.tombstones, ['2', '2'])
  await fill(user)
  t.match((await call('DELETE', `${tasksPath(user)}?completed=false`)).body, { deleted: 3 })
  t.same((await counts(user))?.tombstones, ['2', '2'])
  const task = await create(user)
  t.equal((await call('DELETE', pathOf(task), undefined, { 'idempotency-key': 'key' })).status, 204)
  t.same((await counts(user))?.tombstones, ['2', '2'])
})

t.test('a token from before a tombstone that had to go is 410', async t => {
  const user = randomUser()
  const tasks = await fill(user)
  const { next } = (await call('GET', `/api/${user}/changes`)).body
  await remove(...tasks)
  t.match((await call('GET', `/api/${user}/changes?since=${next}`)).body, { code: 'sync_token_expired' })
})

t.test('tombstones that cannot be purged now are purged the next time, and the deletion stands', async t => {
  const user = randomUser()
  const tasks = await fill(user)
  await sql`
    create function refuse_trim() returns trigger language plpgsql as $$ begin raise exception 'this row stays'; end $$
  `.execute(kysely)
  await sql`
    create trigger trimmed before delete on task for each row
    when (old.user_id = ${sql.lit(user)}) execute function refuse_trim()`.execute(kysely)
  await remove(...tasks)
  t.same((await counts(user))?.tombstones, ['3', '3'])
  await sql`drop trigger trimmed on task`.execute(kysely)
  await remove(await create(user))
  t.same((await counts(user))?.tombstones, ['2', '2'])
})

t.test('responses kept for idempotency keys are bounded in sum', async t => {
  const user = randomUser()
  const outcomes: [number, unknown][] = []
  while (outcomes.at(-1)?.[0] !== 409) {
    const key = `${outcomes.length}`
    const { status, body } = await call('POST', `${tasksPath(user)}/${randomUUID()}/restore`, undefined, {
      'idempotency-key': key,
    })
    outcomes.push([status, body])
  }
  t.ok(outcomes.length > 2)
  t.match(outcomes.at(-1)?.[1], { code: 'quota_exceeded', detail: new RegExp(`at most ${KEY_BYTES} bytes`) })
  const refused = await post(user, { title: 'T' }, { 'idempotency-key': 'another' })
  t.match([refused.status, refused.body.code], [409, 'quota_exceeded'])
  t.same((await call('GET', tasksPath(user))).body.data, [], 'what cannot be repeated is not done')
  t.equal((await post(user)).status, 201, 'a request without a key is')
  const again = await call('POST', `${tasksPath(user)}/${randomUUID()}/restore`, undefined, { 'idempotency-key': '0' })
  t.equal(again.status, 422, 'keys that are kept are known')
  const { keys = ['', 'none'] } = (await counts(user)) ?? {}
  t.equal(keys[0], keys[1], 'what is counted is what there is')
})

t.test('one response beyond 256 KiB is not kept, so the batch is refused, and the limit named', async t => {
  await using unlimited = await startService({ config: ownDatabase })
  const user = randomUser()
  const item = { action: 'create', task: { title: 'T', description: 'd'.repeat(9_000) } }
  const batch = (count: number) =>
    unlimited.call('POST', `${tasksPath(user)}/batch`, { items: Array(count).fill(item) }, { 'idempotency-key': 'key' })
  const { status, body } = await batch(30)
  t.match([status, body], [409, { code: 'quota_exceeded', detail: /at most 262144 bytes.*split the batch/ }])
  t.same((await unlimited.call('GET', tasksPath(user))).body.data, [])
  t.equal((await batch(20)).status, 200, 'the key is free')
})
