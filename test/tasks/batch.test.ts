/** batchTasks: several writes, all or nothing. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { contract } from '../../scripts/support/contract.ts'
import { randomUser, startService, type Task } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create, origin } = service

type Item = Record<string, unknown>

const pathOf = (task: Pick<Task, 'user_id' | 'id'>) => `/api/${task.user_id}/tasks/${task.id}`
const batch = (user: string, items: unknown[], headers = {}) =>
  call('POST', `/api/${user}/tasks/batch`, { items }, headers)
const all = async (user: string) =>
  (await call('GET', `/api/${user}/tasks?sort=created_at&limit=200`)).body.data as Task[]

t.test('one of each, in order, later items seeing what earlier ones did', async t => {
  const user = randomUser()
  const old = await create(user, { title: 'Old' })
  const id = randomUUID()
  const { status, body } = await batch(user, [
    { action: 'create', task: { id: id.toUpperCase(), title: 'New' } },
    { action: 'update', id, changes: { title: 'Newer', description: 'D' } },
    { action: 'complete', id },
    { action: 'complete', id, completed: true },
    { action: 'delete', id: old.id.toUpperCase() },
    { action: 'create', task: { title: 'Done', completed: true } },
  ])
  t.equal(status, 200)
  const [created, updated, toggled, unchanged, deleted, done] = body.data
  t.match(created, { id, task: { id, title: 'New', completed: false, description: null, revision: 2 } })
  t.match(updated, { id, task: { title: 'Newer', description: 'D', revision: 3 } })
  t.match(toggled, { id, task: { completed: true, revision: 4 } })
  t.same(unchanged, toggled, 'what changes nothing takes no number')
  t.same(deleted, { id: old.id, task: null })
  t.match(done.task, { title: 'Done', completed: true, revision: 6 })
  t.same(new Set(await all(user)), new Set([toggled.task, done.task]))
})

t.test('a hundred items', async t => {
  const user = randomUser()
  const items = Array.from({ length: 100 }, (_, index) => ({ action: 'create', task: { title: `${index}` } }))
  const { status, body } = await batch(user, items)
  t.equal(status, 200)
  t.same(
    body.data.map(({ task }: { task: Task }) => [task.title, task.revision]),
    items.map(({ task }, index) => [task.title, index + 1]),
  )
  t.equal((await all(user)).length, 100)
})

t.test('an item that fails names its index, and nothing is written', async t => {
  const user = randomUser()
  const [task, trashed] = [await create(user), await create(user)]
  await call('DELETE', pathOf(trashed))
  const before = await all(user)
  const failures: [Item, number, string][] = [
    [{ action: 'update', id: randomUUID(), changes: { title: 'T' } }, 404, 'task_not_found'],
    [{ action: 'complete', id: trashed.id }, 404, 'task_not_found'],
    [{ action: 'delete', id: randomUUID() }, 404, 'task_not_found'],
    [{ action: 'create', task: { id: task.id, title: 'T' } }, 409, 'id_taken'],
    [{ action: 'create', task: { id: trashed.id, title: 'T' } }, 409, 'id_in_trash'],
    [{ action: 'update', id: task.id, revision: 1, changes: {} }, 412, 'precondition_failed'],
  ]
  for (const headers of [{}, { keyed: true }]) {
    for (const [item, status, code] of failures) {
      const key = 'keyed' in headers ? { 'idempotency-key': randomUUID() } : {}
      const items = [
        { action: 'create', task: { title: 'Not to be seen' } },
        { action: 'complete', id: task.id },
        item,
        { action: 'delete', id: task.id },
      ]
      const answer = await batch(user, items, key)
      t.match([answer.status, answer.body], [status, { code, index: 2, detail: /^Item 2: / }])
      t.equal(answer.headers.get('etag'), null, 'what earlier items did to the task is undone')
      t.same(await all(user), before, code)
      if ('keyed' in headers) t.equal((await batch(user, items, key)).text, answer.text, 'the answer is kept')
    }
  }
  t.equal((await create(user)).revision, 4, 'and no number is taken')
})

t.test('each item may have a revision that it is meant for', async t => {
  const user = randomUser()
  const [one, two, three] = [await create(user), await create(user), await create(user)]
  const { status, body } = await batch(user, [
    { action: 'update', id: one.id, revision: 1, changes: { title: 'T' } },
    { action: 'update', id: one.id, revision: 4, changes: { title: 'U' } },
    { action: 'complete', id: two.id, revision: 2, completed: true },
    { action: 'delete', id: three.id, revision: 3 },
  ])
  t.equal(status, 200)
  t.match(body.data[1].task, { title: 'U', revision: 5 })
  const outdated = [
    { action: 'complete', id: two.id, revision: 2 },
    { action: 'delete', id: two.id, revision: 2 },
  ]
  for (const item of outdated) t.match((await batch(user, [item])).body, { status: 412, index: 0 })
})

t.test('what breaks a rule is told with its place, and nothing is written', async t => {
  const user = randomUser()
  const task = { title: 'T' }
  const refused: [unknown, string, string][] = [
    [{ action: 'create' }, '/items/1/task', 'required'],
    [{ action: 'create', task: { title: '' } }, '/items/1/task/title', 'too_short'],
    [{ action: 'create', task: { title: 'a\0' } }, '/items/1/task/title', 'wrong_format'],
    [{ action: 'create', task, id: randomUUID() }, '/items/1/id', 'unknown'],
    [{ action: 'update', id: 'x', changes: {} }, '/items/1/id', 'wrong_format'],
    [{ action: 'update', id: randomUUID() }, '/items/1/changes', 'required'],
    [{ action: 'complete', id: randomUUID(), completed: null }, '/items/1/completed', 'wrong_type'],
    [{ action: 'delete', id: randomUUID(), revision: 0 }, '/items/1/revision', 'too_small'],
    [{ action: 'archive', id: randomUUID() }, '/items/1/action', 'not_a_choice'],
    [{ action: 1 }, '/items/1/action', 'not_a_choice'],
    [{}, '/items/1/action', 'required'],
    [null, '/items/1', 'wrong_type'],
    [7, '/items/1', 'wrong_type'],
    [[], '/items/1', 'wrong_type'],
  ]
  for (const [item, pointer, code] of refused) {
    const { status, body } = await batch(user, [{ action: 'create', task }, item])
    t.match([status, body.errors], [400, [{ in: 'body', pointer, code }]], JSON.stringify(item))
  }
  const { body } = await batch(user, [{ action: 'archive' }])
  t.equal(body.errors[0].detail, 'must be one of create, update, complete, delete')
  t.same(await all(user), [])
})

t.test('no items are too few, and a hundred and one too many', async t => {
  const user = randomUser()
  const item = { action: 'create', task: { title: 'T' } }
  t.match((await batch(user, [])).body, { status: 400, errors: [{ pointer: '/items', code: 'too_short' }] })
  const { status, body } = await batch(
    user,
    Array.from({ length: 101 }, () => item),
  )
  t.match(
    [status, body.errors],
    [400, [{ pointer: '/items', code: 'too_long', detail: 'must have at most 100 items, has 101' }]],
  )
  for (const items of [{}, null, 'items', 5]) {
    const answer = await call('POST', `/api/${user}/tasks/batch`, { items })
    t.match([answer.status, answer.body.errors], [400, [{ pointer: '/items', code: 'wrong_type' }]])
  }
  t.equal((await call('POST', `/api/${user}/tasks/batch`, 'null', { 'content-type': 'application/json' })).status, 400)
  // Of hundreds of thousands of bad items, or members, only that there are too many is told.
  const members = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [index.toString(36), 1]))
  const huge: [unknown, string, string][] = [
    [Array.from({ length: 400_000 }, () => 1), '/items', 'must have at most 100 items, has 400000'],
    [[{ action: 'create', task: members }], '/items/0/task', 'must have at most 100 members, has more'],
  ]
  for (const [items, pointer, detail] of huge) {
    const answer = await call('POST', `/api/${user}/tasks/batch`, { items })
    t.match([answer.status, answer.body.errors], [400, { length: 1, 0: { pointer, code: 'too_long', detail } }])
  }
  const deep = `{"items":[${'['.repeat(500_000)}${']'.repeat(500_000)}]}`
  t.equal((await call('POST', `/api/${user}/tasks/batch`, deep, { 'content-type': 'application/json' })).status, 400)
  t.same(await all(user), [])
})

t.test('its body may be larger than that of others', async t => {
  const user = randomUser()
  const description = 'd'.repeat(10_000)
  const items = Array.from({ length: 100 }, () => ({ action: 'create', task: { title: 'T', description } }))
  t.equal((await batch(user, items)).status, 200)
  const limit = contract.operations.find(({ operationId }) => operationId === 'batchTasks')?.['x-body-bytes']
  const response = await fetch(`${origin}/api/${user}/tasks/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: ' '.repeat(1_048_577),
  })
  t.match([response.status, await response.json()], [413, { detail: `A body may have at most ${limit} bytes.` }])
})

t.test('batches and single writes beside each other neither wait in a circle nor lose anything', async t => {
  const user = randomUser()
  const tasks = await Promise.all(Array.from({ length: 10 }, () => create(user)))
  const complete = tasks.map(({ id }) => ({ action: 'complete', id }))
  const answers = await Promise.all([
    ...Array.from({ length: 6 }, (_, index) => batch(user, index % 2 === 0 ? complete : complete.toReversed())),
    ...tasks.flatMap(task => Array.from({ length: 4 }, () => call('PATCH', `${pathOf(task)}/complete`))),
    call('DELETE', `/api/${user}/tasks?completed=true`),
  ])
  t.ok(answers.every(({ status }) => status === 200 || status === 404))
  const clock = (await create(user)).revision
  const trash = (await call('GET', `/api/${user}/tasks?deleted=true`)).body.data as Task[]
  const live = await all(user)
  t.equal(trash.length + live.length, 11)
  const numbers = [...trash, ...live].map(({ revision }) => revision)
  t.equal(new Set(numbers).size, 11)
  t.equal(Math.max(...numbers), clock)
})
