/** The fields due, start, priority, tags and position in every operation that writes a task; merges are in date-merges. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { invalid, type User } from '../../scripts/support/client.ts'
import { startService, type Task } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

const sent = {
  due: { date: '2026-11-24', time: '09:00', time_zone: 'Europe/Berlin' },
  start: { date: '2026-11-23' },
  priority: 'high' as const,
  tags: ['home', 'errands'],
  position: 'Vx1',
} satisfies Partial<Parameters<User['createTask']>[0]>
const stored = {
  due: { ...sent.due, at: '2026-11-24T08:00:00.000Z' },
  start: { ...sent.start, time: null, time_zone: null, at: null },
  priority: 'high',
  tags: ['errands', 'home'],
  position: 'Vx1',
}
const fieldsOf = ({ due, start, priority, tags, position }: Task) => ({ due, start, priority, tags, position })

t.test('a new task has the fields that were sent; without them it has none, and is at the end', async t => {
  const alice = await service.newUser()
  const plain = await alice.createTask({ title: 'T' })
  t.match(fieldsOf(plain), { due: null, start: null, priority: 'none', tags: [] })
  t.match(plain.position, /^[0-9A-Za-z]{1,128}$/)
  const task = await alice.createTask({ title: 'T', ...sent })
  t.same(fieldsOf(task), stored)
  t.same(await alice.getTask(task.id), task)
  const nulls = await alice.createTask({ title: 'T', due: null, start: null })
  t.match(fieldsOf(nulls), { due: null, start: null })
})

t.test('PUT keeps absent fields and replaces a date as a whole', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T', ...sent })
  const required = { title: 'U', description: null, completed: false }
  t.same(fieldsOf(await alice.replaceTask(id, required)), stored, 'a client that does not know them keeps them')
  const due = { date: '2026-11-25' }
  const replaced = await alice.replaceTask(id, { ...required, due, priority: 'low', tags: [] })
  t.same(fieldsOf(replaced), {
    ...stored,
    due: { date: '2026-11-25', time: null, time_zone: null, at: null },
    priority: 'low',
    tags: [],
  })
  t.same(await alice.replaceTask(id, { ...required, due, priority: 'low', tags: [] }), replaced, 'nothing changed')
  t.same(fieldsOf(await alice.replaceTask(id, { ...required, due: null, start: null })), {
    ...fieldsOf(replaced),
    due: null,
    start: null,
  })
})

/** Values that are broken by themselves. */
const brokenDates = [
  '2026-11-24',
  [],
  { date: null },
  { date: '2026-02-30' },
  { date: '2025-02-29' },
  { date: '0000-01-01' },
  { date: '10000-01-01' },
  { date: '2026-1-1' },
  { date: '2026-11-24T00:00:00Z' },
  { date: '2026-11-24', time: '24:00' },
  { date: '2026-11-24', time: '09:60' },
  { date: '2026-11-24', time: '9:00' },
  { date: '2026-11-24', time: '09:00:00' },
  { date: '2026-11-24', time: '' },
  { date: '2026-11-24', time: '09:00', time_zone: 'Mars/Olympus' },
  { date: '2026-11-24', time: '09:00', time_zone: '+02:00' },
  { date: '2026-11-24', time: '09:00', time_zone: 'GMT+2' },
  { date: '2026-11-24', time: '09:00', time_zone: 'Z' },
  { date: '2026-11-24', time: '09:00', time_zone: '' },
  { date: '2026-11-24', time: '09:00', time_zone: 'Europe/Berlin\0' },
  { date: '2026-11-24', time: '09:00', time_zone: 1 },
  { date: '2026-11-24', time: '09:00', at: '2026-11-24T08:00:00.000Z' },
]
/** Values that a patch may have, but not the merged date. */
const incompleteDates = [
  { date: '2026-11-24', time: null, time_zone: 'UTC' },
  { date: '9999-12-31', time: '19:00', time_zone: 'America/New_York' },
  { date: '0001-01-01', time: '05:53', time_zone: 'Asia/Kolkata' },
]
const brokenFields = [
  ...brokenDates.flatMap(date => [{ due: date }, { start: date }]),
  ...[null, 'High', '', 1, 'p1'].map(priority => ({ priority })),
  { tags: null },
  { tags: 'a' },
  { tags: ['a', 'a'] },
  { tags: [''] },
  { tags: [null] },
  { tags: Array.from({ length: 51 }, (_, nth) => `${nth}`) },
  { tags: ['x'.repeat(65)] },
  { tags: ['😀'.repeat(65)] },
  ...['a\0', 'a\n', '\t', '\u001f', '\ud800'].map(tag => ({ tags: [tag] })),
  ...[null, '', '0', 'a0', 'a-b', 'é', 'a b', 'a\n', 'x'.repeat(129), 1].map(position => ({ position })),
]

t.test('a value that is broken by itself returns 400 and changes nothing', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T', ...sent })
  const required = { title: 'U', description: null, completed: true }
  const statuses = async (fields: object) => {
    const items = [{ action: 'update', id: task.id, changes: { title: 'U', ...fields } }]
    return {
      POST: (await alice.send.createTask(invalid({ title: 'T', ...fields }))).status,
      PUT: (await alice.send.replaceTask(task.id, invalid({ ...required, ...fields }))).status,
      PATCH: (await alice.send.updateTask(task.id, invalid({ title: 'U', ...fields }))).status,
      batch: (await alice.send.batchTasks(invalid({ items }))).status,
    }
  }
  for (const fields of brokenFields) {
    t.same(await statuses(fields), { POST: 400, PUT: 400, PATCH: 400, batch: 400 }, JSON.stringify(fields))
  }
  for (const due of incompleteDates) {
    t.same(await statuses({ due }), { POST: 400, PUT: 400, PATCH: 422, batch: 422 }, JSON.stringify(due))
  }
  t.same(await alice.getTask(task.id), task)
  t.equal((await alice.listTasks()).data.length, 1)
})

t.test('tags are distinct, ordered by code point, and otherwise as sent', async t => {
  const alice = await service.newUser()
  const tags = ['😀', '\uff5e', 'b', 'B', 'e\u0301', '\u00e9', ' ', 'a,b', '{}', 'NULL', '"', '\\', "'", '\u007f']
  const { id } = await alice.createTask({ title: 'T', tags })
  const sorted = tags.toSorted((one, other) => (one.codePointAt(0) as number) - (other.codePointAt(0) as number))
  t.same((await alice.getTask(id)).tags, sorted)
  t.equal((await alice.updateTask(id, { tags: tags.toReversed() })).revision, 1, 'their order is no change')
  t.same((await alice.updateTask(id, { tags: ['x'] })).tags, ['x'], 'replaced as a whole')
  t.same((await alice.updateTask(id, { tags: [] })).tags, [])
  const most = Array.from({ length: 50 }, (_, nth) => `${'😀'.repeat(62)}${String(nth).padStart(2, '0')}`)
  t.same((await alice.updateTask(id, { tags: most.toReversed() })).tags, most, '50 tags of 64 characters')
})

t.test('every write of a due date changes the place in a list by due', async t => {
  const alice = await service.newUser()
  const due = { date: '2026-11-24', time: '09:00' }
  const { id } = await alice.createTask({ title: 'T', due })
  await alice.createTask({ title: 'The day before', due: { date: '2026-11-23', time: '23:59' } })
  await alice.createTask({ title: 'The whole day', due: { date: '2026-11-24' } })
  const place = async () =>
    (await alice.listTasks({ query: { sort: 'due.asc' } })).data.findIndex(task => task.id === id)
  t.equal(await place(), 2)
  await alice.updateTask(id, { due: { date: '2026-11-23' } })
  t.equal(await place(), 0)
  await alice.replaceTask(id, { title: 'T', description: null, completed: false, due: { date: '2026-11-25' } })
  t.equal(await place(), 2)
  await alice.batchTasks({ items: [{ action: 'update', id, changes: { due: { date: '2026-11-22' } } }] })
  t.equal(await place(), 0)
  await alice.updateTask(id, { due: null })
  t.equal(await place(), 2)
  t.same(
    (await alice.listTasks({ query: { sort: 'due.asc', has_due: false } })).data.map(task => task.id),
    [id],
  )
})

t.test('a position that a client writes decides the order', async t => {
  const alice = await service.newUser()
  for (const position of ['b', 'B', '1', 'a'.repeat(128), 'aB']) await alice.createTask({ title: position, position })
  const middle = await alice.createTask({ title: 'moved' })
  await alice.updateTask(middle.id, { position: 'BV' })
  const { data } = await alice.listTasks({ query: { sort: 'position.asc' } })
  t.same(
    data.map(({ title }) => title),
    ['1', 'B', 'moved', 'aB', 'a'.repeat(128), 'b'],
  )
  const [first, second] = [await alice.createTask({ title: '1' }), await alice.createTask({ title: '2' })]
  t.ok(first.position <= second.position, 'new tasks are at the end')
})

t.test('a batch takes the fields, merges dates one after another, and is undone if one is incomplete', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  const update = (changes: object) => ({ action: 'update' as const, id: task.id, changes })
  const { items } = await alice.batchTasks({
    items: [
      { action: 'create', task: { title: 'T', ...sent } },
      update({ due: { date: '2026-11-24' } }),
      update({ due: { time: '09:00', time_zone: 'Europe/Berlin' } }),
      update({ priority: 'urgent', tags: ['b', 'a'] }),
    ],
  })
  t.same(fieldsOf(items[0]?.task as Task), stored)
  t.match(items[3]?.task, { due: stored.due, priority: 'urgent', tags: ['a', 'b'] })
  const before = await alice.getTask(task.id)
  const failed = await alice.send.batchTasks({ items: [update({ tags: [] }), update({ due: { time: null } })] })
  t.match([failed.status, failed.body], [422, { code: 'incomplete_date', index: 1 }])
  t.same(await alice.getTask(task.id), before)
})

t.test('a replay with the same key returns the same fields; a patch that is refused is refused again', async t => {
  const alice = await service.newUser()
  const key = () => ({ header: { 'Idempotency-Key': randomUUID() } })
  const [create, patch, refused] = [key(), key(), key()]
  const task = await alice.createTask({ title: 'T', ...sent }, create)
  t.same(await alice.createTask({ title: 'T', ...sent }, create), task)
  const patched = await alice.updateTask(task.id, { due: { date: '2026-11-25' } }, patch)
  await alice.updateTask(task.id, { due: { date: '2026-11-26' } })
  t.same(await alice.updateTask(task.id, { due: { date: '2026-11-25' } }, patch), patched, 'and is not applied again')
  t.equal((await alice.getTask(task.id)).due?.date, '2026-11-26')
  const send = () => alice.send.updateTask(task.id, { due: { time: null } }, refused)
  t.equal((await send()).status, 422)
  await alice.updateTask(task.id, { due: { time_zone: null } })
  t.equal((await send()).status, 422)
})

t.test('the trash, restoreTask, completion and the changes keep the fields', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T', ...sent })
  await alice.setTaskCompletion(id)
  const [change] = (await alice.listChanges()).data
  t.same(change?.task && fieldsOf(change.task), stored)
  await alice.deleteTask(id)
  const [deleted] = (await alice.listTasks({ query: { deleted: true } })).data
  t.same(deleted && fieldsOf(deleted), stored)
  t.same(fieldsOf(await alice.restoreTask(id)), stored)
})
