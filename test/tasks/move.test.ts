/** moveTask: the order by hand, which every reader sees alike. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { invalid, type User } from '../../scripts/support/client.ts'
import { startService, type Task } from '../../scripts/support/service.ts'
import { shorten } from '../../src/tasks/move.ts'
import { MAX_COMFORTABLE, MAX_REWRITTEN } from '../../src/tasks/position.ts'
import { reposition } from '../../src/tasks/position-queries.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

/** All tasks in the order by hand, read in pages. */
async function order(user: User, limit = 500): Promise<Task[]> {
  const tasks: Task[] = []
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<User['listTasks']>> = await user.listTasks({
      query: { sort: 'position.asc', limit, ...(cursor !== null && { cursor }) },
    })
    tasks.push(...page.data)
    cursor = page.next_cursor
  } while (cursor !== null)
  return tasks
}

const titles = async (user: User) => (await order(user)).map(({ title }) => title).join('')

/** Creates a task for each character; every second one is completed. */
async function createTasks(user: User, names: string): Promise<Task[]> {
  const tasks: Task[] = []
  for (const [index, title] of [...names].entries()) {
    tasks.push(await user.createTask({ title, completed: index % 2 === 1 }))
  }
  return tasks
}

type Tasks = [Task, Task, Task, Task]
const createFour = (user: User) => createTasks(user, 'abcd') as Promise<Tasks>

t.test('tasks are in the order of their creation until they are moved', async t => {
  const alice = await service.newUser()
  const [a, b, c, d] = await createFour(alice)
  t.equal(await titles(alice), 'abcd')
  const moved = await alice.send.moveTask(d.id, { before: b.id })
  t.match(moved, { status: 200, body: { id: d.id, revision: 5 } })
  t.equal(moved.headers.get('etag'), '"5"')
  t.equal(await titles(alice), 'adbc')
  await alice.moveTask(a.id, { after: c.id })
  t.equal(await titles(alice), 'dbca')
  await alice.moveTask(c.id, { to: 'start' })
  t.equal(await titles(alice), 'cdba')
  await alice.moveTask(d.id, { to: 'end' })
  t.equal(await titles(alice), 'cbad')
  await alice.moveTask(a.id, { after: c.id })
  t.equal(await titles(alice), 'cabd')
  await alice.moveTask(d.id, { before: c.id.toUpperCase() })
  t.equal(await titles(alice), 'dcab')
  await alice.moveTask(c.id, { after: b.id })
  t.equal(await titles(alice), 'dabc')
  await createTasks(alice, 'e')
  t.equal(await titles(alice), 'dabce', 'a new task is at the end')
})

t.test('moving changes updated_at and nothing else', async t => {
  const alice = await service.newUser()
  const [, , , d] = await createFour(alice)
  const { position, updated_at, revision, ...moved } = await alice.moveTask(d.id, { to: 'start' })
  t.match(d, moved)
  t.ok(position < d.position && updated_at > d.updated_at && revision === 5)
  t.same(await alice.getTask(d.id), { ...moved, position, updated_at, revision })
})

t.test('moving a task to where it is changes nothing', async t => {
  const alice = await service.newUser()
  const [a, b, c, d] = await createFour(alice)
  const before = await order(alice)
  t.same(await alice.moveTask(a.id, { before: b.id }), a)
  t.same(await alice.moveTask(a.id, { to: 'start' }), a)
  t.same(await alice.moveTask(c.id, { after: b.id }), c)
  t.same(await alice.moveTask(d.id, { after: c.id }), d)
  t.same(await alice.moveTask(d.id, { to: 'end' }), d)
  t.same(await order(alice), before)
  const alone = await service.newUser()
  const [only] = (await createTasks(alone, 'x')) as [Task]
  for (const to of ['start', 'end'] as const) t.same(await alone.moveTask(only.id, { to }), only)
  const stale = await alice.send.moveTask(a.id, { to: 'start' }, { header: { 'If-Match': '"7"' } })
  t.equal(stale.status, 412, 'a precondition applies all the same')
})

t.test('a missing, deleted or other user’s task, or the task itself, is no neighbour', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  const [a, b, c] = await createFour(alice)
  const [other] = await createFour(bob)
  await alice.deleteTask(b.id)
  for (const neighbour of [randomUUID(), b.id, other.id, a.id, a.id.toUpperCase()]) {
    for (const place of [{ before: neighbour }, { after: neighbour }]) {
      t.match(await alice.send.moveTask(a.id, place), { status: 404, body: { code: 'neighbour_not_found' } })
    }
  }
  for (const gone of [randomUUID(), b.id, other.id]) {
    for (const place of [{ before: c.id }, { to: 'start' as const }, { after: randomUUID() }]) {
      t.match(await alice.send.moveTask(gone, place), { status: 404, body: { code: 'task_not_found' } })
    }
  }
  t.equal(await titles(alice), 'acd')
  t.equal(await titles(bob), 'abcd')
  t.equal((await alice.createTask({ title: 'Next' })).revision, 6, 'nothing was written')
  const [, moved] = [await alice.moveTask(c.id, { before: a.id }), await alice.restoreTask(b.id)]
  t.equal(moved.position, b.position, 'a restored task is where it was')
})

t.test('a body must have exactly one valid field', async t => {
  const alice = await service.newUser()
  const [a, b] = await createFour(alice)
  const cases: [unknown, string, string][] = [
    [{}, '', 'too_short'],
    [{ before: b.id, to: 'end' }, '', 'too_long'],
    [{ before: 'b' }, '/before', 'wrong_format'],
    [{ to: 'middle' }, '/to', 'not_a_choice'],
    [{ above: b.id }, '/above', 'unknown'],
  ]
  for (const [body, pointer, code] of cases) {
    const response = await alice.send.moveTask(a.id, invalid(body))
    t.match(response, { status: 400, body: { errors: [{ in: 'body', pointer, code }] } }, JSON.stringify(body))
  }
})

t.test('a retry with the same Idempotency-Key moves once', async t => {
  const alice = await service.newUser()
  const [a, b, , d] = await createFour(alice)
  const header = { 'Idempotency-Key': randomUUID() }
  const first = await alice.moveTask(d.id, { before: a.id }, { header })
  await alice.moveTask(d.id, { after: b.id })
  const retried = await alice.send.moveTask(d.id, { before: a.id }, { header })
  t.same([retried.status, retried.body, retried.headers.get('idempotent-replayed')], [200, first, 'true'])
  t.equal(await titles(alice), 'abdc')
})

t.test('a client writes a position itself, and later moves honour it', async t => {
  const alice = await service.newUser()
  const [a, b, c, d] = await createFour(alice)
  const between = `${b.position.slice(0, -1)}W`
  t.match(await alice.updateTask(d.id, { position: between }), { position: between })
  t.equal(await titles(alice), 'abdc')
  const { title, description, completed } = a
  await alice.replaceTask(a.id, { title, description, completed, position: 'z' })
  t.equal(await titles(alice), 'bdca')
  await alice.createTask({ title: 'e', position: '0001' })
  t.equal(await titles(alice), 'ebdca')
  await alice.moveTask(c.id, { to: 'end' })
  t.equal(await titles(alice), 'ebdac', 'after one that is beyond all times')
  await alice.moveTask(b.id, { to: 'start' })
  t.equal(await titles(alice), 'bedac', 'before one that is before all times')
  await alice.moveTask(a.id, { before: d.id })
  t.equal(await titles(alice), 'beadc')
  for (const position of ['', '0', 'a0', 'a-b', 'ä', 'a'.repeat(129)]) {
    t.equal((await alice.send.updateTask(b.id, { position })).status, 400, position)
  }
})

t.test('tasks with equal positions are ordered by id, and a task is moved before or after all of them', async t => {
  const alice = await service.newUser()
  const [a, b, c, d] = await createFour(alice)
  for (const { id } of [b, c]) await alice.updateTask(id, { position: 'Vm' })
  const ids = async () => (await order(alice)).map(({ id }) => id)
  const equal = [b.id, c.id].sort()
  t.same(await ids(), [a.id, d.id, ...equal])
  await alice.moveTask(a.id, { after: equal[0] as string })
  t.same(await ids(), [d.id, ...equal, a.id])
  await alice.moveTask(a.id, { before: equal[1] as string })
  t.same(await ids(), [d.id, a.id, ...equal])
  await alice.moveTask(b.id, { before: c.id })
  t.same(await ids(), [d.id, a.id, b.id, c.id], 'one of them is moved away from the other')
})

t.test('tasks that are moved into one gap concurrently get different positions, in one order', async t => {
  const alice = await service.newUser()
  const [first, ...tasks] = (await createTasks(alice, 'abcdefghijklmnopqrst')) as [Task, ...Task[]]
  const places = [{ after: first.id }, { to: 'start' }, { to: 'end' }] as const
  for (const place of places) {
    await Promise.all(tasks.map(({ id }) => alice.moveTask(id, place)))
    const all = await order(alice)
    const positions = all.map(({ position }) => position)
    t.equal(new Set(positions).size, 20, JSON.stringify(place))
    t.same(positions, positions.toSorted(), 'in the order of code units')
    t.same(await order(alice, 3), all, 'in pages of any size')
    const { data } = await alice.listChanges({ query: { limit: 100 } })
    const copied = data.map(({ task }) => task as Task).sort((one, other) => (one.position < other.position ? -1 : 1))
    t.same(copied, all, 'and for a client that follows the changes')
  }
  t.equal((await order(alice))[0]?.id, first.id)
})

/** Moves tasks into one gap, each between the last two, which makes positions as long as moves can make them. */
async function crowd(user: User, moves: number): Promise<{ longest: number; expected: string[] }> {
  const expected = (await createTasks(user, 'az')).map(({ id }) => id)
  let [longest, place] = [0, 1]
  for (let count = 0; count < moves; count += 1) {
    const { id } = await user.createTask({ title: 'T' })
    const neighbour = expected[place] as string
    const { position } = await user.moveTask(id, { before: neighbour })
    longest = Math.max(longest, position.length)
    expected.splice(place, 0, id)
    place += count % 2
  }
  return { longest, expected }
}

t.test('long positions are shortened, in order, and the feed reports it', async t => {
  const alice = await service.newUser()
  const { longest, expected } = await crowd(alice, 80)
  t.ok(longest > MAX_COMFORTABLE && longest <= 64, `${longest}`)
  const tasks = await order(alice)
  t.same(
    tasks.map(({ id }) => id),
    expected,
  )
  t.ok(Math.max(...tasks.map(({ position }) => position.length)) <= MAX_COMFORTABLE)
  t.equal(new Set(tasks.map(({ revision }) => revision)).size, tasks.length, 'each has a revision of its own')
  const { data } = await alice.listChanges({ query: { limit: 500 } })
  const byRevision = tasks.toSorted((one, other) => one.revision - other.revision)
  t.same(
    data.map(({ task }) => task),
    byRevision,
  )
})

t.test('shortening leaves updated_at and bounds as they are', async t => {
  const alice = await service.newUser()
  const long = (end: string) => `${'a'.repeat(127)}${end}`
  const [a, b, c, d] = await createFour(alice)
  const [x, z] = [
    await alice.updateTask(a.id, { position: long('1') }),
    await alice.updateTask(b.id, { position: long('2') }),
  ]
  const { next_sync_token: sync_token } = await alice.listChanges()
  const moved = await alice.moveTask(c.id, { after: a.id })
  t.ok(moved.position.length > 128, 'a move is not refused, however long the neighbours are')
  const tasks = await order(alice, 1)
  t.same(
    tasks.map(({ id }) => id),
    [d.id, a.id, c.id, b.id],
  )
  t.same(tasks[0], d)
  for (const { position } of tasks) t.ok(position.length <= 23, position)
  t.match(tasks.slice(1), [
    { updated_at: x.updated_at },
    { updated_at: moved.updated_at },
    { updated_at: z.updated_at },
  ])
  const { data } = await alice.listChanges({ query: { sync_token } })
  t.same(
    data.map(({ revision }) => revision),
    [8, 9, 10],
  )
})

t.test('a long run is shortened in parts, and not at all from where no task is any more', async t => {
  const alice = await service.newUser()
  const position = 'b'.repeat(60)
  const count = MAX_REWRITTEN + 50
  for (const size of [100, count - 100]) {
    const items = Array.from({ length: size }, () => ({ action: 'create' as const, task: { title: 'T', position } }))
    await alice.batchTasks({ items })
  }
  const before = await order(alice)
  await shorten(kysely, alice.id, 'c'.repeat(60))
  t.same(await order(alice), before)
  for (const long of [count - MAX_REWRITTEN, 0]) {
    await shorten(kysely, alice.id, position)
    const after = await order(alice)
    t.same(
      after.map(({ id }) => id),
      before.map(({ id }) => id),
    )
    t.equal(after.filter(task => task.position === position).length, long)
  }
})

t.test('nothing is shortened if one of the tasks has been moved in the meantime', async t => {
  const alice = await service.newUser()
  const [a, b] = await createFour(alice)
  const before = await order(alice)
  const ids = [a.id, b.id]
  const to = ['x', 'y']
  await reposition(kysely, { userId: alice.id, ids, from: [a.position, 'Vm'], to })
  t.same(await order(alice), before)
  await reposition(kysely, { userId: alice.id, ids, from: [a.position, b.position], to })
  t.equal(await titles(alice), 'cdab')
})

t.test('pages go on after a position that is longer than a client may write', async t => {
  const alice = await service.newUser()
  const [a] = await createFour(alice)
  const position = 'A'.repeat(140)
  await kysely.updateTable('task').set({ position }).where('user_id', '=', alice.id).where('id', '=', a.id).execute()
  const tasks = await order(alice, 1)
  t.same([tasks[0]?.position, tasks.length], [position, 4])
  t.match(await alice.moveTask(a.id, { to: 'end' }), { position: /^V\d{13}/ })
})
