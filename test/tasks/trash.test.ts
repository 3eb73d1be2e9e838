/** The trash: deleted tasks, and how long they can be listed and restored. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { startService, type Task } from '../../scripts/support/service.ts'

const RETENTION = 3_600_000
const service = await startService({ retention: { tombstones: RETENTION, keys: RETENTION } })
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

type Query = NonNullable<NonNullable<Parameters<User['listTasks']>[0]>['query']>

const live = async (user: User) => (await user.listTasks()).data
const trash = async (user: User, query: Query = {}) =>
  (await user.listTasks({ query: { deleted: true, ...query } })).data

/** Creates a task and deletes it; returns it as it was before the deletion. */
async function createAndDelete(user: User, body: Parameters<User['createTask']>[0] = { title: 'T' }): Promise<Task> {
  const task = await user.createTask(body)
  await user.deleteTask(task.id)
  return task
}

const setDeletedAt = ({ user_id, id }: Task, deleted_at: string) =>
  kysely.updateTable('task').set({ deleted_at }).where('user_id', '=', user_id).where('id', '=', id).execute()

const millisecondsAgo = (milliseconds: number) => new Date(Date.now() - milliseconds).toISOString()

t.test('a deleted task is listed in the trash, otherwise unchanged', async t => {
  const alice = await service.newUser()
  const kept = await alice.createTask({ title: 'T' })
  const before = new Date().toISOString()
  const task = await createAndDelete(alice, { title: 'Deleted', description: 'D', completed: true })
  const [trashed, ...others] = await trash(alice)
  t.same(trashed, { ...task, deleted_at: trashed?.deleted_at, revision: 3 })
  const deletedAt = `${trashed?.deleted_at}`
  t.ok(deletedAt >= before && deletedAt <= new Date().toISOString(), 'deleted now')
  t.same(others, [])
  t.same(await live(alice), [kept])
  t.same((await alice.listTasks({ query: { deleted: false } })).data, [kept])
})

t.test('restoreTask brings a deleted task back unchanged, with a new revision', async t => {
  const alice = await service.newUser()
  const task = await createAndDelete(alice, { title: 'T', description: 'D', completed: true })
  const { status, body, headers } = await alice.send.restoreTask(task.id)
  t.equal(status, 200)
  t.same(body, { ...task, revision: 3 })
  t.equal(headers.get('etag'), '"3"')
  t.same(await alice.getTask(task.id), body)
  t.same(await live(alice), [body])
  t.same(await trash(alice), [])
  t.same(await alice.restoreTask(task.id), body, 'a second restore changes nothing')
  t.equal((await alice.createTask({ title: 'Next' })).revision, 4, 'and takes no revision')
})

t.test('restoreTask returns a live task unchanged', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  const { status, body } = await alice.send.restoreTask(task.id)
  t.same([status, body], [200, task])
})

t.test('restoreTask of an unknown id or of another user’s task returns 404', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  const { id } = await createAndDelete(alice)
  t.equal((await alice.send.restoreTask(randomUUID())).status, 404)
  t.equal((await bob.send.restoreTask(id)).status, 404)
})

t.test('restoreTask with If-Match needs the revision of the deletion', async t => {
  const alice = await service.newUser()
  const { id } = await createAndDelete(alice)
  const restore = (tag: string) => alice.send.restoreTask(id, { header: { 'If-Match': tag } })
  const refused = await restore('"1"')
  t.match(refused, { status: 412, body: { code: 'precondition_failed' } })
  t.equal(refused.headers.get('etag'), '"2"')
  t.equal((await trash(alice)).length, 1, 'the task is still in the trash')
  t.match((await restore('"2"')).body, { deleted_at: null, revision: 3 })
  t.equal((await restore('"2"')).status, 412, 'the restore took a new revision')
})

t.test('restoreTask ten times at once with one ETag succeeds exactly once', async t => {
  const alice = await service.newUser()
  const { id } = await createAndDelete(alice)
  const responses = await Promise.all(
    Array.from({ length: 10 }, () => alice.send.restoreTask(id, { header: { 'If-Match': '"2"' } })),
  )
  t.same(responses.map(({ status }) => status).sort(), [200, ...Array(9).fill(412)])
})

t.test('a task deleted before the retention period can be neither listed nor restored, even if not purged', async t => {
  const alice = await service.newUser()
  const kept = await createAndDelete(alice)
  const expired = await createAndDelete(alice)
  await setDeletedAt(kept, millisecondsAgo(RETENTION - 60_000))
  await setDeletedAt(expired, millisecondsAgo(RETENTION + 1))
  t.same(
    (await trash(alice)).map(({ id }) => id),
    [kept.id],
  )
  t.equal((await alice.send.restoreTask(expired.id)).status, 404)
  t.equal((await alice.send.restoreTask(kept.id)).status, 200)
  t.match(await alice.send.createTask({ id: expired.id, title: 'T' }), { status: 409, body: { code: 'id_taken' } })
})

t.test('POST with the id of a task in the trash returns 409 with a code of its own', async t => {
  const alice = await service.newUser()
  const { id } = await createAndDelete(alice)
  t.match(await alice.send.createTask({ id, title: 'T' }), { status: 409, body: { code: 'id_in_trash' } })
  t.equal((await alice.createTask({ title: 'Next' })).revision, 3, 'the refused create took no revision')
})

t.test('the trash is listed by deletion, newest first, with pages and filter', async t => {
  const alice = await service.newUser()
  const [b, d, a, c] = [
    await alice.createTask({ title: 'b', completed: true }),
    await alice.createTask({ title: 'd' }),
    await alice.createTask({ title: 'a', completed: true }),
    await alice.createTask({ title: 'c' }),
  ]
  await alice.createTask({ title: 'live' })
  // Not deleted in the order of their creation; the last two at the same moment.
  const sameMoment = millisecondsAgo(2000)
  const deletions: [Task, string][] = [
    [a, millisecondsAgo(4000)],
    [b, millisecondsAgo(3000)],
    [c, sameMoment],
    [d, sameMoment],
  ]
  for (const [task, deletedAt] of deletions) {
    await alice.deleteTask(task.id)
    await setDeletedAt(task, deletedAt)
  }
  const titlesOf = (tasks: Task[]) => tasks.map(({ title }) => title).join('')
  const titles = async (query: Query) => titlesOf(await trash(alice, query))
  t.equal(await titles({}), 'cdba', 'equal times are ordered by id, descending as well')
  t.equal(await titles({ completed: true }), 'ba')
  t.equal(await titles({ completed: false }), 'cd')
  const first = await alice.send.listTasks({ query: { deleted: true, limit: 3 } })
  if (first.status !== 200) throw new Error(`${first.status}`)
  const next = /<(.*)>/.exec(first.headers.get('link') ?? '')?.[1] as string
  const { text } = await service.call('GET', next)
  const second: typeof first.body = JSON.parse(text)
  t.equal(titlesOf([...first.body.data, ...second.data]), 'cdba')
  t.equal(second.next_cursor, null)
})

t.test('the trash has a single order: sort with deleted=true returns 400', async t => {
  const alice = await service.newUser()
  const response = await alice.send.listTasks({ query: { deleted: true, sort: 'title.asc' } })
  t.match(response, { status: 400, body: { errors: [{ in: 'query', name: 'sort', code: 'not_a_choice' }] } })
})
