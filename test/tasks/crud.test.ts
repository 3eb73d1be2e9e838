/** createTask, getTask, replaceTask, updateTask, deleteTask */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { invalid } from '../../scripts/support/client.ts'
import { startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

const missing = { code: 'task_not_found' }

t.test('POST with a title returns 201 and the task with the defaults filled in', async t => {
  const alice = await service.newUser()
  const before = new Date().toISOString()
  const { status, body, headers } = await alice.send.createTask({ title: 'Buy oat milk' })
  const task = await alice.getTask((await alice.listTasks()).data[0]?.id as string)
  t.same([status, body], [201, task])
  t.match(task, {
    user_id: alice.id,
    title: 'Buy oat milk',
    description: null,
    completed: false,
    completed_at: null,
    revision: 1,
  })
  t.match(task.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/, 'a version 7 UUID')
  t.ok(task.created_at >= before && task.created_at <= new Date().toISOString(), 'created now')
  t.equal(task.updated_at, task.created_at)
  t.equal(headers.get('etag'), '"1"')
  t.equal(headers.get('location'), alice.path('getTask', task.id))
})

t.test('GET returns the task that POST returned, with its ETag', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  const { status, body, headers } = await alice.send.getTask(task.id)
  t.same([status, body, headers.get('etag')], [200, task, '"1"'])
})

t.test('POST takes every writable field, including the id and the completion', async t => {
  const alice = await service.newUser()
  const id = randomUUID()
  const task = await alice.createTask({ id, title: 'T', description: 'D', completed: true })
  t.match(task, { id, title: 'T', description: 'D', completed: true, completed_at: task.created_at })
})

t.test('POST with an id in upper case stores it in lower case', async t => {
  const alice = await service.newUser()
  const id = randomUUID()
  const task = await alice.createTask({ id: id.toUpperCase(), title: 'T' })
  t.equal(task.id, id)
  t.same(await alice.getTask(id.toUpperCase()), task, 'GET takes either case')
})

t.test('POST with a taken id returns 409 and writes nothing', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  const again = await alice.send.createTask({ id: task.id, title: 'Another' })
  t.match([again.status, again.body], [409, { code: 'id_taken' }])
  t.same(await alice.getTask(task.id), task)
  t.equal((await alice.createTask({ title: 'Next' })).revision, 2, 'the refused write took no number')
})

t.test('POST with the id of a deleted task returns 409', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  await alice.deleteTask(id)
  t.equal((await alice.send.createTask({ id, title: 'T' })).status, 409)
})

t.test('two users can use the same id, and each reads and deletes only their own task', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  const { id } = await alice.createTask({ title: "Alice's" })
  t.equal((await bob.send.getTask(id)).status, 404)
  t.equal((await bob.send.deleteTask(id)).status, 404)
  await bob.createTask({ id, title: "Bob's" })
  t.equal((await alice.getTask(id)).title, "Alice's")
})

t.test('POST ten times at once with one id succeeds exactly once', async t => {
  const alice = await service.newUser()
  const id = randomUUID()
  const answers = await Promise.all(Array.from({ length: 10 }, () => alice.send.createTask({ id, title: 'T' })))
  t.same(answers.map(({ status }) => status).sort(), [201, ...Array(9).fill(409)])
})

t.test('every user id that the contract allows works, percent-encoded or not', async t => {
  for (const id of [`Az09._:@|~+-${randomUUID()}`, `${randomUUID()}${'x'.repeat(92)}`]) {
    const user = await service.newUser({ id })
    const { headers } = await user.send.createTask({ title: 'T' })
    const [task] = (await user.listTasks()).data
    t.equal(task?.user_id, id)
    const encoded = user.path('getTask', task?.id)
    for (const path of [encoded, encoded.replace(encodeURIComponent(id), id), headers.get('location') as string]) {
      t.equal((await service.call('GET', path)).status, 200, path)
    }
  }
})

t.test('PUT replaces every writable field', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'Old', description: 'Old' })
  const replacement = { title: 'New', description: null, completed: true }
  const { status, body, headers } = await alice.send.replaceTask(task.id, replacement)
  const replaced = await alice.getTask(task.id)
  t.same([status, body, headers.get('etag')], [200, replaced, '"2"'])
  const { updated_at } = replaced
  t.same(replaced, { ...task, ...replacement, completed_at: updated_at, updated_at, revision: 2 })
  t.same(await alice.replaceTask(task.id, replacement), replaced, 'PUT of the stored values changes nothing')
})

t.test('PUT without every writable field returns 400 and changes nothing', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'Old', description: 'Old' })
  t.equal((await alice.send.replaceTask(task.id, invalid({ title: 'Only' }))).status, 400)
  t.same(await alice.getTask(task.id), task)
})

for (const mediaType of ['application/json', 'application/merge-patch+json']) {
  t.test(`PATCH as ${mediaType} keeps absent fields and clears null fields`, async t => {
    const alice = await service.newUser()
    const { id } = await alice.createTask({ title: 'Title', description: 'Description' })
    const patch = (changes: { title?: string; description?: null; completed?: boolean }) =>
      alice.updateTask(id, changes, { header: { 'Content-Type': mediaType } })
    t.match(await patch({ title: 'New' }), { title: 'New', description: 'Description', completed: false, revision: 2 })
    t.match(await patch({ description: null }), { title: 'New', description: null, revision: 3 })
    const completed = await patch({ completed: true })
    t.match(completed, { title: 'New', completed: true, completed_at: completed.updated_at, revision: 4 })
    t.same(await patch({}), completed, 'an empty patch changes nothing')
    t.same(await patch({ title: 'New', completed: true }), completed, 'nor does a patch of the stored values')
    const retitled = await patch({ title: 'Newer' })
    t.equal(retitled.completed_at, completed.completed_at, 'the time of completion stays')
  })
}

t.test('DELETE returns 204; every later request for the task returns 404', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  t.equal((await alice.send.deleteTask(id)).status, 204)
  const { send } = alice
  t.match(await send.getTask(id), { status: 404, body: missing })
  t.match(await send.deleteTask(id), { status: 404, body: missing })
  t.match(await send.replaceTask(id, { title: 'T', description: null, completed: false }), {
    status: 404,
    body: missing,
  })
  t.match(await send.updateTask(id, {}), { status: 404, body: missing })
  t.match(await send.setTaskCompletion(id), { status: 404, body: missing })
  t.same((await alice.listTasks()).data, [])
})

t.test('failed and empty writes take no revision number', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'Old' })
  t.equal((await alice.send.deleteTask(randomUUID())).status, 404)
  t.equal((await alice.send.updateTask(randomUUID(), { title: 'T' })).status, 404)
  t.equal((await alice.setTaskCompletion(id, { completed: false })).revision, 1)
  t.equal((await alice.updateTask(id, { title: 'New' })).revision, 2)
  await alice.deleteTask(id)
  t.equal((await alice.createTask({ title: 'Next' })).revision, 4, 'the deletion took 3')
})

t.test('concurrent writes of one user get consecutive revision numbers', async t => {
  const alice = await service.newUser()
  const tasks = await Promise.all(Array.from({ length: 20 }, () => alice.createTask({ title: 'T' })))
  const updates = await Promise.all(tasks.map(({ id }, index) => alice.updateTask(id, { title: `Number ${index}` })))
  t.same(
    [...tasks, ...updates].map(({ revision }) => revision).toSorted((a, b) => a - b),
    Array.from({ length: 40 }, (_, index) => index + 1),
  )
})

t.test('concurrent PATCHes of different fields do not overwrite each other', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'Old' })
  const changes = { title: 'New title', description: 'New description', completed: true }
  await Promise.all(Object.entries(changes).map(([name, value]) => alice.updateTask(id, { [name]: value })))
  t.match(await alice.getTask(id), { ...changes, revision: 4 })
})
