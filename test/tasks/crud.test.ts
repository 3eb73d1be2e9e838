/** createTask, getTask, replaceTask, updateTask, deleteTask */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { randomUser, startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create } = service

t.test('createTask stores what is sent and fills in the rest', async t => {
  const user = randomUser()
  const before = new Date().toISOString()
  const { status, body, headers } = await call('POST', `/api/${user}/tasks`, { title: 'Buy oat milk' })
  t.equal(status, 201)
  t.match(body, {
    user_id: user,
    title: 'Buy oat milk',
    description: null,
    completed: false,
    completed_at: null,
    revision: 1,
  })
  t.match(body.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/, 'a version 7 UUID')
  t.ok(body.created_at >= before && body.created_at <= new Date().toISOString(), 'created now')
  t.equal(body.updated_at, body.created_at)
  t.equal(headers.get('etag'), '"1"')

  const found = await call('GET', headers.get('location') as string)
  t.equal(found.status, 200)
  t.same(found.body, body, 'Location leads to the task as it was returned')
  t.equal(found.headers.get('etag'), '"1"')
})

t.test('createTask takes a whole task, the id and its completion included', async t => {
  const user = randomUser()
  const id = randomUUID()
  const { status, body } = await call('POST', `/api/${user}/tasks`, {
    id,
    title: 'T',
    description: 'D',
    completed: true,
  })
  t.equal(status, 201)
  t.match(body, { id, title: 'T', description: 'D', completed: true, completed_at: body.created_at })
})

t.test('createTask takes an id in upper case and returns it in lower case', async t => {
  const user = randomUser()
  const id = randomUUID()
  const { body } = await call('POST', `/api/${user}/tasks`, { id: id.toUpperCase(), title: 'T' })
  t.equal(body.id, id)
  t.equal((await call('GET', `/api/${user}/tasks/${id.toUpperCase()}`)).status, 200)
})

t.test('createTask answers 409 for a taken id and writes nothing', async t => {
  const user = randomUser()
  const task = await create(user)
  const again = await call('POST', `/api/${user}/tasks`, { id: task.id, title: 'Another' })
  t.equal(again.status, 409)
  t.equal(again.body.code, 'id_taken')
  t.same((await call('GET', `/api/${user}/tasks/${task.id}`)).body, task)
  t.equal((await create(user)).revision, 2, 'the refused write took no number')

  await call('DELETE', `/api/${user}/tasks/${task.id}`)
  t.equal(
    (await call('POST', `/api/${user}/tasks`, { id: task.id, title: 'T' })).status,
    409,
    'a deleted id stays taken',
  )
})

t.test('two users may have the same id, and see only their own task', async t => {
  const [one, other] = [randomUser(), randomUser()]
  const { id } = await create(one, { title: 'One' })
  t.equal((await call('GET', `/api/${other}/tasks/${id}`)).status, 404)
  t.equal((await call('DELETE', `/api/${other}/tasks/${id}`)).status, 404)
  const second = await call('POST', `/api/${other}/tasks`, { id, title: 'Other' })
  t.equal(second.status, 201)
  t.equal((await call('GET', `/api/${one}/tasks/${id}`)).body.title, 'One')
})

t.test('of ten concurrent creations with one id exactly one succeeds', async t => {
  const user = randomUser()
  const id = randomUUID()
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => call('POST', `/api/${user}/tasks`, { id, title: 'T' })),
  )
  t.same(answers.map(({ status }) => status).sort(), [201, ...Array(9).fill(409)])
})

t.test('every user id that the contract allows works, encoded or not', async t => {
  for (const user of [`Az09._:@|~+-${randomUUID()}`, `${randomUUID()}${'x'.repeat(92)}`]) {
    const { body, headers } = await call('POST', `/api/${encodeURIComponent(user)}/tasks`, { title: 'T' })
    t.equal(body.user_id, user)
    t.equal((await call('GET', `/api/${user}/tasks/${body.id}`)).status, 200)
    t.equal((await call('GET', headers.get('location') as string)).status, 200)
  }
})

t.test('replaceTask takes every writable field', async t => {
  const user = randomUser()
  const task = await create(user, { title: 'Old', description: 'Old' })
  const path = `/api/${user}/tasks/${task.id}`
  const { status, body, headers } = await call('PUT', path, { title: 'New', description: null, completed: true })
  t.equal(status, 200)
  t.same(body, {
    ...task,
    title: 'New',
    description: null,
    completed: true,
    completed_at: body.updated_at,
    updated_at: body.updated_at,
    revision: 2,
  })
  t.equal(headers.get('etag'), '"2"')
  t.same((await call('GET', path)).body, body)
  const again = await call('PUT', path, { title: 'New', description: null, completed: true })
  t.same(again.body, body, 'a replacement that equals what is stored changes nothing')
  t.equal((await call('PUT', path, { title: 'Only' })).status, 400, 'nothing is wiped by leaving it out')
  t.same((await call('GET', path)).body, body)
})

for (const mediaType of ['application/json', 'application/merge-patch+json']) {
  t.test(`updateTask keeps what is absent and clears what is null, as ${mediaType}`, async t => {
    const user = randomUser()
    const task = await create(user, { title: 'Title', description: 'Description' })
    const path = `/api/${user}/tasks/${task.id}`
    const patch = async (body: unknown) => {
      const answer = await call('PATCH', path, JSON.stringify(body), { 'content-type': mediaType })
      t.equal(answer.status, 200)
      return answer.body
    }
    t.match(await patch({ title: 'New' }), { title: 'New', description: 'Description', completed: false, revision: 2 })
    t.match(await patch({ description: null }), { title: 'New', description: null, revision: 3 })
    const completed = await patch({ completed: true })
    t.match(completed, { title: 'New', completed: true, completed_at: completed.updated_at, revision: 4 })
    t.same(await patch({}), completed, 'an empty patch changes nothing')
    t.same(await patch({ title: 'New', completed: true }), completed, 'nor does one that says what holds')
    const retitled = await patch({ title: 'Newer' })
    t.equal(retitled.completed_at, completed.completed_at, 'the time of completion stays')
  })
}

t.test('deleteTask makes the task 404, once', async t => {
  const user = randomUser()
  const { id } = await create(user)
  const path = `/api/${user}/tasks/${id}`
  t.equal((await call('DELETE', path)).status, 204)
  for (const [method, body] of [
    ['GET'],
    ['DELETE'],
    ['PUT', { title: 'T', description: null, completed: false }],
    ['PATCH', {}],
  ]) {
    const { status, body: problem } = await call(method as string, path, body)
    t.equal(status, 404, `${method} of a deleted task`)
    t.equal(problem.code, 'task_not_found')
  }
  t.equal((await call('PATCH', `${path}/complete`)).status, 404)
  t.same((await call('GET', `/api/${user}/tasks`)).body.data, [])
})

t.test('writes number a user’s revisions without gaps, whatever fails between', async t => {
  const user = randomUser()
  const { id } = await create(user)
  const path = `/api/${user}/tasks/${id}`
  await call('DELETE', `/api/${user}/tasks/${randomUUID()}`)
  await call('PATCH', `/api/${user}/tasks/${randomUUID()}`, { title: 'T' })
  await call('PATCH', `${path}/complete`, { completed: false })
  t.equal((await call('PATCH', path, { title: 'T' })).body.revision, 2)
  await call('DELETE', path)
  t.equal((await create(user)).revision, 4, 'the deletion took 3')
})

t.test('concurrent writes of one user take different numbers, and all of them', async t => {
  const user = randomUser()
  const tasks = await Promise.all(Array.from({ length: 20 }, () => create(user)))
  const updates = await Promise.all(
    tasks.map(({ id }, index) => call('PATCH', `/api/${user}/tasks/${id}`, { title: `Number ${index}` })),
  )
  const numbers = [...tasks.map(task => task.revision), ...updates.map(({ body }) => body.revision)]
  t.same(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: 40 }, (_, index) => index + 1),
  )
})

t.test('concurrent patches of different fields do not overwrite each other', async t => {
  const user = randomUser()
  const { id } = await create(user)
  const path = `/api/${user}/tasks/${id}`
  await Promise.all([
    call('PATCH', path, { title: 'New title' }),
    call('PATCH', path, { description: 'New description' }),
    call('PATCH', path, { completed: true }),
  ])
  t.match((await call('GET', path)).body, {
    title: 'New title',
    description: 'New description',
    completed: true,
    revision: 4,
  })
})
