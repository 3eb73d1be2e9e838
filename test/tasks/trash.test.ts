/** Deleted tasks: the trash, restoreTask, deleteTasks. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import { contract } from '../../scripts/support/contract.ts'
import { onPostgres, randomUser, startService, type Task } from '../../scripts/support/service.ts'
import { removeAll } from '../../src/tasks/bulk-queries.ts'
import { untilWaiting } from '../support/locks.ts'

const RETENTION = 3_600_000
const service = await startService({ retention: { tombstones: RETENTION, keys: RETENTION } })
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create, database } = service

const pathOf = (task: Task) => `/api/${task.user_id}/tasks/${task.id}`
const list = async (user: string, query = '') => (await call('GET', `/api/${user}/tasks?${query}`)).body.data as Task[]

async function createAndDelete(user: string, task: Partial<Task> = {}): Promise<Task> {
  const created = await create(user, task)
  await call('DELETE', pathOf(created))
  return created
}

/** As if the task had been deleted earlier. */
async function ageTombstone({ user_id, id }: Task, milliseconds: number): Promise<void> {
  const deleted_at = new Date(Date.now() - milliseconds).toISOString()
  await database.kysely
    .updateTable('task')
    .set({ deleted_at })
    .where('user_id', '=', user_id)
    .where('id', '=', id)
    .execute()
}

t.test('a deleted task is in the trash, as it was', async t => {
  const user = randomUser()
  const live = await create(user)
  const before = new Date().toISOString()
  const task = await createAndDelete(user, { title: 'Deleted', description: 'D', completed: true })
  const [trashed, ...others] = await list(user, 'deleted=true')
  t.same(trashed, { ...task, deleted_at: trashed?.deleted_at, revision: 3 })
  const deletedAt = `${trashed?.deleted_at}`
  t.ok(deletedAt >= before && deletedAt <= new Date().toISOString(), 'deleted now')
  t.same(others, [])
  t.same(await list(user), [live])
  t.same(await list(user, 'deleted=false'), [live])
})

t.test('restoreTask brings a task back as it was, with a new revision', async t => {
  const user = randomUser()
  const task = await createAndDelete(user, { title: 'T', description: 'D', completed: true })
  const { status, body, headers } = await call('POST', `${pathOf(task)}/restore`)
  t.equal(status, 200)
  t.same(body, { ...task, revision: 3 })
  t.equal(headers.get('etag'), '"3"')
  t.same((await call('GET', pathOf(task))).body, body)
  t.same(await list(user), [body])
  t.same(await list(user, 'deleted=true'), [])
  t.same((await call('POST', `${pathOf(task)}/restore`)).body, body, 'once more changes nothing')
  t.equal((await create(user)).revision, 4, 'and takes no number')
})

t.test('restoreTask returns a live task as it is', async t => {
  const task = await create(randomUser())
  const { status, body } = await call('POST', `${pathOf(task)}/restore`)
  t.same([status, body], [200, task])
})

t.test('restoreTask of what never was is 404, another user’s included', async t => {
  const task = await createAndDelete(randomUser())
  t.equal((await call('POST', `${pathOf({ ...task, id: randomUUID() })}/restore`)).status, 404)
  t.equal((await call('POST', `${pathOf({ ...task, user_id: randomUser() })}/restore`)).status, 404)
})

t.test('restoreTask heeds If-Match, whose tag is that of the deletion', async t => {
  const user = randomUser()
  const task = await createAndDelete(user)
  const restore = (tag: string) => call('POST', `${pathOf(task)}/restore`, undefined, { 'if-match': tag })
  const refused = await restore('"1"')
  t.match([refused.status, refused.body], [412, { code: 'precondition_failed' }])
  t.equal(refused.headers.get('etag'), '"2"')
  t.equal((await list(user, 'deleted=true')).length, 1, 'it is still in the trash')
  t.match((await restore('"2"')).body, { deleted_at: null, revision: 3 })
  t.equal((await restore('"2"')).status, 412, 'now it is at another revision')
})

t.test('of ten concurrent restorations with one ETag exactly one wins', async t => {
  const task = await createAndDelete(randomUser())
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => call('POST', `${pathOf(task)}/restore`, undefined, { 'if-match': '"2"' })),
  )
  t.same(answers.map(({ status }) => status).sort(), [200, ...Array(9).fill(412)])
})

t.test('what was deleted too long ago is gone, whether it is purged already or not', async t => {
  const user = randomUser()
  const kept = await createAndDelete(user)
  const gone = await createAndDelete(user)
  await ageTombstone(kept, RETENTION - 60_000)
  await ageTombstone(gone, RETENTION + 1)
  t.same(
    (await list(user, 'deleted=true')).map(({ id }) => id),
    [kept.id],
  )
  t.equal((await call('POST', `${pathOf(gone)}/restore`)).status, 404)
  t.equal((await call('POST', `${pathOf(kept)}/restore`)).status, 200)
  const again = await call('POST', `/api/${user}/tasks`, { id: gone.id, title: 'T' })
  t.match([again.status, again.body.code], [409, 'id_taken'])
})

t.test('an id that sits in the trash is told apart from one that is taken', async t => {
  const user = randomUser()
  const { id } = await createAndDelete(user)
  const { status, body } = await call('POST', `/api/${user}/tasks`, { id, title: 'T' })
  t.match([status, body.code], [409, 'id_in_trash'])
  t.equal((await create(user)).revision, 3, 'the refused creation took no number')
})

t.test('the trash has one order, the newest deletion first, with pages and the filter', async t => {
  const user = randomUser()
  const tasks = []
  for (const [index, title] of ['b', 'd', 'a', 'c'].entries()) {
    tasks.push(await create(user, { title, completed: index % 2 === 0 }))
  }
  await create(user, { title: 'live' })
  // Deleted in another order than they were created in; the last two at the same moment.
  for (const [index, task] of [tasks[2], tasks[0], tasks[3], tasks[1]].entries()) {
    await call('DELETE', pathOf(task as Task))
    await ageTombstone(task as Task, 4000 - 1000 * Math.min(index, 2))
  }
  const sameMoment = (
    await database.kysely
      .selectFrom('task')
      .select('deleted_at')
      .where('id', '=', tasks[1]?.id as string)
      .execute()
  )[0]
  await database.kysely
    .updateTable('task')
    .set({ deleted_at: sameMoment?.deleted_at as string })
    .where('user_id', '=', user)
    .where('id', '=', tasks[3]?.id as string)
    .execute()
  const titles = async (query: string) => (await list(user, `deleted=true&${query}`)).map(({ title }) => title).join('')
  t.equal(await titles(''), 'cdba', 'equal times by id, in the same direction')
  t.equal(await titles('sort=title'), 'cdba', 'whatever sort says')
  t.equal(await titles('completed=true'), 'ba')
  t.equal(await titles('completed=false'), 'cd')
  const first = await call('GET', `/api/${user}/tasks?deleted=true&limit=3`)
  const next = /<(.*)>/.exec(first.headers.get('link') ?? '')?.[1] as string
  const second = await call('GET', next)
  t.equal([...first.body.data, ...second.body.data].map(({ title }) => title).join(''), 'cdba')
  t.equal(second.body.next_cursor, null)
})

t.test('deleteTasks deletes what the filter selects, and says how many', async t => {
  const user = randomUser()
  for (let index = 0; index < 6; index += 1) await create(user, { completed: index % 2 === 0 })
  const other = await create(randomUser(), { completed: true })
  const { status, body } = await call('DELETE', `/api/${user}/tasks?completed=true`)
  t.same([status, body], [200, { deleted: 3, has_more: false }])
  t.same(
    (await list(user)).map(({ completed }) => completed),
    [false, false, false],
  )
  t.equal((await call('GET', pathOf(other))).status, 200, 'nobody else loses anything')
  const trash = await list(user, 'deleted=true')
  t.same(trash.map(({ revision }) => revision).sort(), [7, 8, 9], 'each takes a number of its own')
  t.same((await call('DELETE', `/api/${user}/tasks?completed=true`)).body, { deleted: 0, has_more: false })
  t.equal((await create(user)).revision, 10, 'deleting nothing takes no number')
  t.same((await call('DELETE', `/api/${user}/tasks?completed=false`)).body, { deleted: 4, has_more: false })
  t.same((await call('DELETE', `/api/${randomUser()}/tasks?completed=true`)).body, { deleted: 0, has_more: false })
})

t.test('deleteTasks deletes as many at a time as the contract says, and tells whether there are more', async t => {
  const user = randomUser()
  const { Deletion } = contract.document.components.schemas as unknown as Record<
    'Deletion',
    { properties: { deleted: { maximum: number } } }
  >
  const most = Deletion.properties.deleted.maximum
  await sql`insert into user_clock (user_id, revision) values (${user}, ${most + 1})`.execute(database.kysely)
  await sql`
    insert into task (user_id, id, title, completed, completed_at, created_at, updated_at, revision)
    select ${user}, gen_random_uuid(), 'T', true, now(), now(), now(), number
    from generate_series(1, ${most + 1}::int) as number`.execute(database.kysely)
  const clear = async () => (await call('DELETE', `/api/${user}/tasks?completed=true`)).body
  t.same(await clear(), { deleted: most, has_more: true })
  t.same(await clear(), { deleted: 1, has_more: false })
  t.equal((await create(user)).revision, 2 * (most + 1) + 1)
})

t.test(
  'deleteTasks tells that there are more also where somebody else has just changed those that it chose',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const user = randomUser()
    for (let count = 0; count < 3; count++) await create(user, { completed: true })
    const [newest] = await list(user)
    const { kysely } = database
    const changing = await kysely.startTransaction().execute()
    await sql`
      update task set completed = false, completed_at = null
      where user_id = ${user} and id = ${newest?.id}`.execute(changing)
    const removing = removeAll(kysely, { userId: user, completed: true, limit: 2, now: new Date().toISOString() })
    await untilWaiting(kysely, 'with chosen as')
    await changing.commit().execute()
    t.match(await removing, { deleted: 1, has_more: true })
  },
)

t.test('deleteTasks without a filter is 400 and deletes nothing', async t => {
  const user = randomUser()
  const task = await create(user, { completed: true })
  const { status, body } = await call('DELETE', `/api/${user}/tasks`)
  t.match([status, body], [400, { errors: [{ in: 'query', name: 'completed', code: 'required' }] }])
  t.equal((await call('DELETE', `/api/${user}/tasks?completed=yes`)).status, 400)
  t.same(await list(user), [task])
})

t.test('deleteTasks beside writers: every completed task is deleted once, and no number is given twice', async t => {
  const user = randomUser()
  const tasks = await Promise.all(Array.from({ length: 30 }, () => create(user, { completed: true })))
  const [clearings, updates] = await Promise.all([
    Promise.all(Array.from({ length: 3 }, () => call('DELETE', `/api/${user}/tasks?completed=true`))),
    Promise.all(tasks.map(task => call('PATCH', pathOf(task), { title: 'Changed' }))),
    Promise.all(tasks.slice(0, 10).map(task => call('PATCH', `${pathOf(task)}/complete`, { completed: false }))),
  ])
  t.ok(clearings.every(({ status }) => status === 200))
  t.ok(updates.every(({ status }) => status === 200 || status === 404))
  const trash = await list(user, 'deleted=true&limit=200')
  const live = await list(user, 'limit=200')
  t.equal(
    clearings.reduce((sum, { body }) => sum + body.deleted, 0),
    trash.length,
  )
  const revisions = [...trash, ...live].map(({ revision }) => revision)
  t.equal(new Set(revisions).size, 30)
})
