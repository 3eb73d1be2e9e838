/** Quotas bound how much each user may store. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { ownDatabase, startService, type Task } from '../../scripts/support/service.ts'

const KEY_BYTES = 5_000
const service = await startService({ quotas: { tasks: 3, tombstones: 2, keyBytes: KEY_BYTES } })
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

/** Creates as many tasks as the quota allows. */
const fill = async (user: User) =>
  Promise.all([user.createTask({ title: 'T' }), user.createTask({ title: 'T' }), user.createTask({ title: 'T' })])

/** Deletes the tasks one after another. */
async function deleteEach(user: User, ...tasks: Task[]): Promise<void> {
  for (const { id } of tasks) await user.deleteTask(id)
}

/** The user's counters, each with the count of what is stored. */
async function counts(user: User) {
  const { rows } = await sql<Record<'live' | 'tombstones' | 'keys', [counted: string, found: string]>>`
    select
      array[live, (select count(*) from task where user_id = clock.user_id and deleted_at is null)]::text[] as live,
      array[tombstones,
        (select count(*) from task where user_id = clock.user_id and deleted_at is not null)]::text[] as tombstones,
      array[key_bytes,
        (select coalesce(sum(stored_bytes), 0) from idempotency_key where user_id = clock.user_id)]::text[] as keys
    from user_clock as clock where user_id = ${user.id}`.execute(kysely)
  return rows[0]
}

const exceeded = { status: 409, body: { code: 'quota_exceeded', detail: /at most 3 tasks/ } }

t.test('a create beyond the quota returns 409 with the limit, and writes nothing', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  const [task] = await fill(alice)
  const before = await alice.listChanges()
  for (const body of [{ title: 'T' }, { title: 'T', id: randomUUID() }]) {
    t.match(await alice.send.createTask(body), exceeded)
  }
  const taken = await alice.send.createTask({ id: task.id, title: 'T' })
  t.match(taken, { status: 409, body: { code: 'id_taken' } }, 'a taken id is reported as such')
  t.same(await alice.listChanges(), before)
  t.equal((await bob.send.createTask({ title: 'T' })).status, 201, 'another user has a quota of their own')
  await alice.deleteTask(task.id)
  t.equal((await alice.send.createTask({ title: 'T' })).status, 201, 'a deletion makes room')
})

t.test('a quota error is not stored for an idempotency key', async t => {
  const alice = await service.newUser()
  const [task] = await fill(alice)
  const create = () => alice.send.createTask({ title: 'Again' }, { header: { 'Idempotency-Key': 'key' } })
  t.match(await create(), exceeded)
  await alice.deleteTask(task.id)
  t.equal((await create()).status, 201)
})

t.test('a restored task counts towards the quota', async t => {
  const alice = await service.newUser()
  const [task] = await fill(alice)
  await alice.deleteTask(task.id)
  const another = await alice.createTask({ title: 'T' })
  t.match(await alice.send.restoreTask(task.id), exceeded)
  await alice.deleteTask(another.id)
  t.equal((await alice.send.restoreTask(task.id)).status, 200)
  t.same(await counts(alice), { live: ['3', '3'], tombstones: ['1', '1'], keys: ['0', '0'] })
})

t.test('a batch beyond the quota returns 409 with the index of the item, and writes nothing', async t => {
  const alice = await service.newUser()
  const items = Array.from({ length: 4 }, () => ({ action: 'create' as const, task: { title: 'T' } }))
  t.match(await alice.send.batchTasks({ items }), { status: 409, body: { code: 'quota_exceeded', index: 3 } })
  t.same((await alice.listTasks()).data, [])
})

t.test('a deletion beyond the quota of tombstones purges the oldest ones', async t => {
  const alice = await service.newUser()
  const [first, ...others] = await fill(alice)
  await deleteEach(alice, first, ...others)
  const { data: trash } = await alice.listTasks({ query: { deleted: true } })
  t.same(new Set(trash.map(({ id }) => id)), new Set(others.map(({ id }) => id)))
  t.equal((await alice.send.createTask({ id: first.id, title: 'T' })).status, 201, 'the id is free again')
  t.same(await counts(alice), { live: ['1', '1'], tombstones: ['2', '2'], keys: ['0', '0'] })
})

t.test('deleteTasks, batches and keyed deletions observe the quota of tombstones', async t => {
  const alice = await service.newUser()
  const items = (await fill(alice)).map(({ id }) => ({ action: 'delete' as const, id }))
  await alice.batchTasks({ items })
  t.same((await counts(alice))?.tombstones, ['2', '2'])
  await fill(alice)
  t.match(await alice.deleteTasks({ query: { completed: false } }), { deleted_count: 3 })
  t.same((await counts(alice))?.tombstones, ['2', '2'])
  const { id } = await alice.createTask({ title: 'T' })
  await alice.deleteTask(id, { header: { 'Idempotency-Key': 'key' } })
  t.same((await counts(alice))?.tombstones, ['2', '2'])
})

t.test('listChanges with a token older than a purged tombstone returns 410', async t => {
  const alice = await service.newUser()
  const tasks = await fill(alice)
  const { next_sync_token } = await alice.listChanges()
  await deleteEach(alice, ...tasks)
  t.match(await alice.send.listChanges({ query: { sync_token: next_sync_token } }), {
    status: 410,
    body: { code: 'sync_token_expired' },
  })
})

t.test('a deletion succeeds although purging fails; the next deletion purges', async t => {
  const alice = await service.newUser()
  const tasks = await fill(alice)
  await sql`
    create function refuse_trim() returns trigger language plpgsql as $$ begin raise exception 'this row stays'; end $$
  `.execute(kysely)
  await sql`
    create trigger trimmed before delete on task for each row
    when (old.user_id = ${sql.lit(alice.id)}) execute function refuse_trim()`.execute(kysely)
  await deleteEach(alice, ...tasks)
  t.same((await counts(alice))?.tombstones, ['3', '3'])
  await sql`drop trigger trimmed on task`.execute(kysely)
  await deleteEach(alice, await alice.createTask({ title: 'T' }))
  t.same((await counts(alice))?.tombstones, ['2', '2'])
})

t.test('a keyed write returns 409 once the stored responses of the user reach the quota', async t => {
  const alice = await service.newUser()
  const restore = (key: string) => alice.send.restoreTask(randomUUID(), { header: { 'Idempotency-Key': key } })
  const responses = [await restore('0')]
  while (responses.at(-1)?.status !== 409) responses.push(await restore(`${responses.length}`))
  t.ok(responses.length > 2)
  t.match(responses.at(-1)?.body, { code: 'quota_exceeded', detail: new RegExp(`at most ${KEY_BYTES} bytes`) })
  const refused = await alice.send.createTask({ title: 'T' }, { header: { 'Idempotency-Key': 'another' } })
  t.match(refused, { status: 409, body: { code: 'quota_exceeded' } })
  t.same((await alice.listTasks()).data, [], 'the refused write is not executed')
  t.equal((await alice.send.createTask({ title: 'T' })).status, 201, 'a write without a key is')
  t.equal((await restore('0')).status, 422, 'earlier keys are still stored')
  const { keys = ['', 'none'] } = (await counts(alice)) ?? {}
  t.equal(keys[0], keys[1], 'the counter equals the sum of what is stored')
})

t.test('a keyed batch whose response exceeds 256 KiB returns 409 with the limit, and writes nothing', async t => {
  await using unlimited = await startService({ config: ownDatabase })
  const alice = await unlimited.newUser()
  const item = { action: 'create' as const, task: { title: 'T', description: 'd'.repeat(9_000) } }
  const batch = (count: number) =>
    alice.send.batchTasks({ items: Array(count).fill(item) }, { header: { 'Idempotency-Key': 'key' } })
  t.match(await batch(30), {
    status: 409,
    body: { code: 'quota_exceeded', detail: /at most 262144 bytes.*Split the batch/ },
  })
  t.same((await alice.listTasks()).data, [])
  t.equal((await batch(20)).status, 200, 'the key is free')
})
