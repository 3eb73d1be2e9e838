/** batchTasks runs several writes in one transaction. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { invalid, type User } from '../../scripts/support/client.ts'
import { operations } from '../../scripts/support/contract.ts'
import { startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

type Item = Parameters<User['batchTasks']>[0]['items'][number]

/** Sends a batch that may violate the contract. */
const sendItems = (user: User, items: unknown) => user.send.batchTasks(invalid({ items }))

const listAll = async (user: User) => (await user.listTasks({ query: { sort: 'created_at.asc', limit: 200 } })).data

t.test('a batch runs its items in order; each item sees the effects of earlier items', async t => {
  const alice = await service.newUser()
  const old = await alice.createTask({ title: 'Old' })
  const id = randomUUID()
  const { status, body } = await alice.send.batchTasks({
    items: [
      { action: 'create', task: { id: id.toUpperCase(), title: 'New' } },
      { action: 'update', id, changes: { title: 'Newer', description: 'D' } },
      { action: 'complete', id, completed: true },
      { action: 'complete', id, completed: true },
      { action: 'delete', id: old.id.toUpperCase() },
      { action: 'create', task: { title: 'Done', completed: true } },
    ],
  })
  if (status !== 200) throw new Error(body.detail)
  const [created, updated, completed, unchanged, deleted, done] = body.items
  t.match(created, { id, task: { id, title: 'New', completed: false, description: null, revision: 2 } })
  t.match(updated, { id, task: { title: 'Newer', description: 'D', revision: 3 } })
  t.match(completed, { id, task: { completed: true, revision: 4 } })
  t.same(unchanged, completed, 'an item that changes nothing takes no revision')
  t.same(deleted, { id: old.id, task: null })
  t.match(done?.task, { title: 'Done', completed: true, revision: 6 })
  t.same(new Set(await listAll(alice)), new Set([completed?.task, done?.task]))
})

t.test('a batch takes 100 items', async t => {
  const alice = await service.newUser()
  const { items } = await alice.batchTasks({
    items: Array.from({ length: 100 }, (_, index): Item => ({ action: 'create', task: { title: `${index}` } })),
  })
  t.same(
    items.map(({ task }) => [task?.title, task?.revision]),
    Array.from({ length: 100 }, (_, index) => [`${index}`, index + 1]),
  )
  t.equal((await listAll(alice)).length, 100)
})

t.test('a batch with an item that fails returns the error and index of that item, and writes nothing', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'Live' })
  const trashed = await alice.createTask({ title: 'Deleted' })
  await alice.deleteTask(trashed.id)
  const before = await listAll(alice)
  const failures: [Item, number, string][] = [
    [{ action: 'update', id: randomUUID(), changes: { title: 'T' } }, 404, 'task_not_found'],
    [{ action: 'complete', id: trashed.id, completed: true }, 404, 'task_not_found'],
    [{ action: 'delete', id: randomUUID() }, 404, 'task_not_found'],
    [{ action: 'create', task: { id: task.id, title: 'T' } }, 409, 'id_taken'],
    [{ action: 'create', task: { id: trashed.id, title: 'T' } }, 409, 'id_in_trash'],
    [{ action: 'update', id: task.id, revision: 1, changes: {} }, 412, 'precondition_failed'],
  ]
  for (const isKeyed of [false, true]) {
    for (const [item, status, code] of failures) {
      const header: Record<string, string> = isKeyed ? { 'Idempotency-Key': randomUUID() } : {}
      const items: Item[] = [
        { action: 'create', task: { title: 'Not stored' } },
        { action: 'complete', id: task.id, completed: true },
        item,
        { action: 'delete', id: task.id },
      ]
      const response = await alice.send.batchTasks({ items }, { header })
      t.match(response, { status, body: { code, index: 2, detail: /^Item 2: / } })
      t.equal(response.headers.get('etag'), null, 'no ETag of a revision that was rolled back')
      t.same(await listAll(alice), before, code)
      if (isKeyed) {
        const retry = await alice.send.batchTasks({ items }, { header })
        t.equal(retry.text, response.text, 'the response is stored for the key')
      }
    }
  }
  t.equal((await alice.createTask({ title: 'Next' })).revision, 4, 'the failed batches took no revision')
})

t.test('an item with an outdated revision returns 412; with the current revision it is applied', async t => {
  const alice = await service.newUser()
  const [one, two, three] = [
    await alice.createTask({ title: 'One' }),
    await alice.createTask({ title: 'Two' }),
    await alice.createTask({ title: 'Three' }),
  ]
  const { items } = await alice.batchTasks({
    items: [
      { action: 'update', id: one.id, revision: 1, changes: { title: 'T' } },
      { action: 'update', id: one.id, revision: 4, changes: { title: 'U' } },
      { action: 'complete', id: two.id, revision: 2, completed: true },
      { action: 'delete', id: three.id, revision: 3 },
    ],
  })
  t.match(items[1]?.task, { title: 'U', revision: 5 })
  const outdated: Item[] = [
    { action: 'complete', id: two.id, revision: 2, completed: true },
    { action: 'delete', id: two.id, revision: 2 },
  ]
  for (const item of outdated) {
    t.match((await alice.send.batchTasks({ items: [item] })).body, { status: 412, index: 0 })
  }
})

t.test('a batch with an invalid item returns 400 with a pointer to the error, and writes nothing', async t => {
  const alice = await service.newUser()
  const task = { title: 'T' }
  const refused: [unknown, string, string][] = [
    [{ action: 'create' }, '/items/1/task', 'required'],
    [{ action: 'create', task: { title: '' } }, '/items/1/task/title', 'too_short'],
    [{ action: 'create', task: { title: 'a\0' } }, '/items/1/task/title', 'wrong_format'],
    [{ action: 'create', task, id: randomUUID() }, '/items/1/id', 'unknown'],
    [{ action: 'update', id: 'x', changes: {} }, '/items/1/id', 'wrong_format'],
    [{ action: 'update', id: randomUUID() }, '/items/1/changes', 'required'],
    [{ action: 'complete', id: randomUUID() }, '/items/1/completed', 'required'],
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
    const response = await sendItems(alice, [{ action: 'create', task }, item])
    t.match(response, { status: 400, body: { errors: [{ in: 'body', pointer, code }] } }, JSON.stringify(item))
  }
  t.match((await sendItems(alice, [{ action: 'archive' }])).body, {
    errors: [{ detail: /^must be one of create, update, complete, delete$/ }],
  })
  t.same(await listAll(alice), [])
})

t.test('a batch without items or with more than 100 items returns 400', async t => {
  const alice = await service.newUser()
  const item = { action: 'create', task: { title: 'T' } }
  t.match((await sendItems(alice, [])).body, { status: 400, errors: [{ pointer: '/items', code: 'too_short' }] })
  t.match(await sendItems(alice, Array(101).fill(item)), {
    status: 400,
    body: { errors: [{ pointer: '/items', code: 'too_long', detail: 'must have at most 100 items, has 101' }] },
  })
  for (const items of [{}, null, 'items', 5]) {
    const response = await sendItems(alice, items)
    t.match(response, { status: 400, body: { errors: [{ pointer: '/items', code: 'wrong_type' }] } })
  }
  t.equal((await alice.send.batchTasks(invalid('null'))).status, 400)
  t.same(await listAll(alice), [])
})

t.test('a batch with a huge number of invalid items or members returns a single error', async t => {
  const alice = await service.newUser()
  const members = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [index.toString(36), 1]))
  const huge: [unknown, string, string][] = [
    [Array(400_000).fill(1), '/items', 'must have at most 100 items, has 400000'],
    [[{ action: 'create', task: members }], '/items/0/task', 'must have at most 100 members, has more'],
  ]
  for (const [items, pointer, detail] of huge) {
    const response = await sendItems(alice, items)
    t.match(response, { status: 400, body: { errors: { length: 1, 0: { pointer, code: 'too_long', detail } } } })
  }
  const deep = `{"items":[${'['.repeat(500_000)}${']'.repeat(500_000)}]}`
  t.equal((await alice.send.batchTasks(invalid(deep))).status, 400)
  t.same(await listAll(alice), [])
})

t.test('a batch has a body limit of its own; a larger body returns 413', async t => {
  const alice = await service.newUser()
  const item: Item = { action: 'create', task: { title: 'T', description: 'd'.repeat(10_000) } }
  await alice.batchTasks({ items: Array<Item>(100).fill(item) })
  const limit = operations.find(({ operationId }) => operationId === 'batchTasks')?.['x-body-bytes']
  t.match(await alice.send.batchTasks(invalid(' '.repeat(1_048_577))), {
    status: 413,
    body: { detail: `A body may have at most ${limit} bytes.` },
  })
})

t.test('concurrent batches and single writes neither deadlock nor lose a write', async t => {
  const alice = await service.newUser()
  const tasks = await Promise.all(Array.from({ length: 10 }, () => alice.createTask({ title: 'T' })))
  const complete = (completed: boolean) => tasks.map(({ id }): Item => ({ action: 'complete', id, completed }))
  const responses = await Promise.all([
    ...Array.from({ length: 6 }, (_, index) =>
      alice.send.batchTasks({ items: index % 2 === 0 ? complete(true) : complete(false).toReversed() }),
    ),
    ...tasks.flatMap(({ id }) => Array.from({ length: 4 }, () => alice.send.setTaskCompletion(id))),
    alice.send.deleteTasks({ query: { completed: true } }),
  ])
  t.ok(responses.every(({ status }) => status === 200 || status === 404))
  const { revision: last } = await alice.createTask({ title: 'Last' })
  const { data: trash } = await alice.listTasks({ query: { deleted: true } })
  const live = await listAll(alice)
  t.equal(trash.length + live.length, 11)
  const revisions = [...trash, ...live].map(({ revision }) => revision)
  t.equal(new Set(revisions).size, 11)
  t.equal(Math.max(...revisions), last)
})
