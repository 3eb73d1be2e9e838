/** deleteTasks deletes all completed or all open tasks, in bounded steps. */
import { sql } from 'kysely'
import t from 'tap'
import { parse } from 'yaml'
import { invalid, type User } from '../../scripts/support/client.ts'
import { contract } from '../../scripts/support/contract.ts'
import { onPostgres, startService } from '../../scripts/support/service.ts'
import { removeAll } from '../../src/tasks/bulk-queries.ts'
import { untilWaiting } from '../support/locks.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

const deleteCompleted = (user: User) => user.deleteTasks({ query: { completed: true } })
const live = async (user: User) => (await user.listTasks({ query: { limit: 200 } })).data
const trash = async (user: User) => (await user.listTasks({ query: { deleted: true, limit: 200 } })).data

t.test('deleteTasks deletes the tasks that the filter selects and returns their number', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  for (let index = 0; index < 6; index += 1) await alice.createTask({ title: 'T', completed: index % 2 === 0 })
  const other = await bob.createTask({ title: 'T', completed: true })
  t.same(await deleteCompleted(alice), { deleted_count: 3, has_more: false })
  t.same(
    (await live(alice)).map(({ completed }) => completed),
    [false, false, false],
  )
  t.equal((await bob.send.getTask(other.id)).status, 200, 'tasks of other users are kept')
  t.same((await trash(alice)).map(({ revision }) => revision).sort(), [7, 8, 9], 'each deletion takes a revision')
  t.same(await deleteCompleted(alice), { deleted_count: 0, has_more: false })
  t.equal((await alice.createTask({ title: 'Next' })).revision, 10, 'deleting nothing takes no revision')
  t.same(await alice.deleteTasks({ query: { completed: false } }), { deleted_count: 4, has_more: false })
  t.same(await deleteCompleted(await service.newUser()), { deleted_count: 0, has_more: false })
})

t.test('deleteTasks deletes at most as many tasks as the contract says and reports whether more remain', async t => {
  const alice = await service.newUser()
  const most = 5_000
  const { description } = parse(contract.yaml.toString()).paths['/api/{user_id}/tasks'].delete
  t.match(description, `at most ${most.toLocaleString('en')} per request`)
  await sql`insert into user_clock (user_id, revision) values (${alice.id}, ${most + 1})`.execute(kysely)
  await sql`
    insert into task (user_id, id, title, completed, completed_at, created_at, updated_at, revision)
    select ${alice.id}, gen_random_uuid(), 'T', true, now(), now(), now(), number
    from generate_series(1, ${most + 1}::int) as number`.execute(kysely)
  t.same(await deleteCompleted(alice), { deleted_count: most, has_more: true })
  t.same(await deleteCompleted(alice), { deleted_count: 1, has_more: false })
  t.equal((await alice.createTask({ title: 'Next' })).revision, 2 * (most + 1) + 1)
})

t.test(
  'deleteTasks reports that more tasks remain even if a selected task was concurrently changed',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const alice = await service.newUser()
    for (let count = 0; count < 3; count += 1) await alice.createTask({ title: 'T', completed: true })
    const [newest] = await live(alice)
    const changing = await kysely.startTransaction().execute()
    await sql`
      update task set completed = false, completed_at = null
      where user_id = ${alice.id} and id = ${newest?.id}`.execute(changing)
    const removing = removeAll(kysely, { userId: alice.id, completed: true, limit: 2, now: new Date().toISOString() })
    await untilWaiting(kysely, 'with chosen as')
    await changing.commit().execute()
    t.match(await removing, { deleted: 1, has_more: true })
  },
)

t.test('deleteTasks without a valid filter returns 400 and deletes nothing', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T', completed: true })
  t.match(await alice.send.deleteTasks({ query: invalid({}) }), {
    status: 400,
    body: { errors: [{ in: 'query', name: 'completed', code: 'required' }] },
  })
  t.equal((await alice.send.deleteTasks({ query: invalid({ completed: 'yes' }) })).status, 400)
  t.same(await live(alice), [task])
})

t.test('deleteTasks beside concurrent writes deletes each task once and gives each a revision of its own', async t => {
  const alice = await service.newUser()
  const tasks = await Promise.all(Array.from({ length: 30 }, () => alice.createTask({ title: 'T', completed: true })))
  const [deletions, updates] = await Promise.all([
    Promise.all(Array.from({ length: 3 }, () => deleteCompleted(alice))),
    Promise.all(tasks.map(({ id }) => alice.send.updateTask(id, { title: 'Changed' }))),
    Promise.all(tasks.slice(0, 10).map(({ id }) => alice.send.setTaskCompletion(id, { completed: false }))),
  ])
  t.ok(updates.every(({ status }) => status === 200 || status === 404))
  const [deleted, kept] = [await trash(alice), await live(alice)]
  t.equal(
    deletions.reduce((sum, { deleted_count }) => sum + deleted_count, 0),
    deleted.length,
  )
  const revisions = [...deleted, ...kept].map(({ revision }) => revision)
  t.equal(new Set(revisions).size, 30)
})
