/** setTaskCompletion and the completion workflow */
import t from 'tap'
import { invalid } from '../../scripts/support/client.ts'
import { startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

t.test('PATCH without a body toggles the completion', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  const { status, body, headers } = await alice.send.setTaskCompletion(task.id)
  const completed = await alice.getTask(task.id)
  t.same([status, body, headers.get('etag')], [200, completed, '"2"'])
  const { updated_at } = completed
  t.same(completed, { ...task, completed: true, completed_at: updated_at, updated_at, revision: 2 })
  t.match(await alice.setTaskCompletion(task.id), { completed: false, completed_at: null, revision: 3 })
})

t.test('PATCH with an empty body as application/json toggles the completion', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  const options = { header: { 'Content-Type': 'application/json' } }
  t.match(await alice.setTaskCompletion(id, invalid(''), options), { completed: true })
})

t.test('PATCH with a body sets the completion; setting the stored value changes nothing', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  t.same(await alice.setTaskCompletion(task.id, { completed: false }), task)
  const completed = await alice.setTaskCompletion(task.id, { completed: true })
  t.match(completed, { completed: true, revision: 2 })
  t.same(await alice.setTaskCompletion(task.id, { completed: true }), completed)
  t.match(await alice.setTaskCompletion(task.id, { completed: false }), {
    completed: false,
    completed_at: null,
    revision: 3,
  })
})

t.test('PATCH with a body that sets nothing returns 400 and does not toggle', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  for (const body of ['{}', '{"completed":null}', '{"completed":"true"}', 'null', '[]', 'true', '"{}"']) {
    t.equal((await alice.send.setTaskCompletion(task.id, invalid(body))).status, 400, body)
  }
  t.same(await alice.getTask(task.id), task)
})

t.test('PATCH 21 times at once toggles the completion 21 times', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  const toggled = await Promise.all(Array.from({ length: 21 }, () => alice.setTaskCompletion(id)))
  t.same(
    toggled.map(({ revision }) => revision).sort((a, b) => a - b),
    Array.from({ length: 21 }, (_, index) => index + 2),
  )
  t.equal(toggled.filter(({ completed }) => completed).length, 11, 'every response has the state after its own toggle')
  t.match(await alice.getTask(id), { completed: true, revision: 22 })
})

t.test('workflow: complete tasks of a list and read what is left', async t => {
  const alice = await service.newUser()
  const titles = async (filter: { completed?: boolean } = {}) =>
    (await alice.listTasks({ query: { sort: 'title.asc', ...filter } })).data.map(({ title }) => title)
  const bread = await alice.createTask({ title: 'Bread' })
  const milk = await alice.createTask({ title: 'Milk' })
  await alice.createTask({ title: 'Tea' })

  t.same(await titles({ completed: true }), [])
  await alice.setTaskCompletion(bread.id)
  await alice.setTaskCompletion(milk.id, { completed: true })
  t.same(await titles({ completed: true }), ['Bread', 'Milk'])
  t.same(await titles({ completed: false }), ['Tea'])
  t.same(await titles(), ['Bread', 'Milk', 'Tea'], 'without a filter the completed tasks are included')
  await alice.setTaskCompletion(milk.id)
  t.same(await titles({ completed: false }), ['Milk', 'Tea'])
})
