/** completeTask and the completion workflow */
import t from 'tap'
import { randomUser, startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create } = service

t.test('without a body it toggles, there and back', async t => {
  const user = randomUser()
  const task = await create(user)
  const path = `/api/${user}/tasks/${task.id}/complete`
  const completed = await call('PATCH', path)
  t.equal(completed.status, 200)
  t.same(completed.body, {
    ...task,
    completed: true,
    completed_at: completed.body.updated_at,
    updated_at: completed.body.updated_at,
    revision: 2,
  })
  t.equal(completed.headers.get('etag'), '"2"')
  const reopened = await call('PATCH', path)
  t.match(reopened.body, { completed: false, completed_at: null, revision: 3 })
})

t.test('an empty body under application/json toggles, too', async t => {
  const user = randomUser()
  const { id } = await create(user)
  const path = `/api/${user}/tasks/${id}/complete`
  const { status, body } = await call('PATCH', path, '', { 'content-type': 'application/json' })
  t.equal(status, 200)
  t.equal(body.completed, true)
})

t.test('with a body it sets, and setting what holds changes nothing', async t => {
  const user = randomUser()
  const task = await create(user)
  const path = `/api/${user}/tasks/${task.id}/complete`
  t.same((await call('PATCH', path, { completed: false })).body, task)
  const completed = (await call('PATCH', path, { completed: true })).body
  t.match(completed, { completed: true, revision: 2 })
  t.same((await call('PATCH', path, { completed: true })).body, completed)
  t.match((await call('PATCH', path, { completed: false })).body, { completed: false, completed_at: null, revision: 3 })
})

t.test('a body that does not say what to set is refused, and toggles nothing', async t => {
  const user = randomUser()
  const task = await create(user)
  const path = `/api/${user}/tasks/${task.id}/complete`
  for (const body of ['{}', '{"completed":null}', '{"completed":"true"}', 'null', '[]', 'true', '"{}"']) {
    t.equal((await call('PATCH', path, body, { 'content-type': 'application/json' })).status, 400, body)
  }
  t.same((await call('GET', `/api/${user}/tasks/${task.id}`)).body, task)
})

t.test('21 concurrent toggles leave the task toggled 21 times', async t => {
  const user = randomUser()
  const { id } = await create(user)
  const path = `/api/${user}/tasks/${id}`
  const answers = await Promise.all(Array.from({ length: 21 }, () => call('PATCH', `${path}/complete`)))
  t.same(
    answers.map(({ body }) => body.revision).sort((a, b) => a - b),
    Array.from({ length: 21 }, (_, index) => index + 2),
  )
  t.equal(answers.filter(({ body }) => body.completed).length, 11, 'every answer is the state that its toggle made')
  t.match((await call('GET', path)).body, { completed: true, revision: 22 })
})

t.test('workflow: work off a list and look at what is left', async t => {
  const user = randomUser()
  const titles = async (filter: string) =>
    (await call('GET', `/api/${user}/tasks?sort=title${filter}`)).body.data.map((task: { title: string }) => task.title)
  const tasks = []
  for (const title of ['Bread', 'Milk', 'Tea']) tasks.push(await create(user, { title }))
  const [bread, milk] = tasks.map(({ id }) => `/api/${user}/tasks/${id}/complete`)

  t.same(await titles('&completed=true'), [])
  await call('PATCH', bread as string)
  await call('PATCH', milk as string, { completed: true })
  t.same(await titles('&completed=true'), ['Bread', 'Milk'])
  t.same(await titles('&completed=false'), ['Tea'])
  t.same(await titles(''), ['Bread', 'Milk', 'Tea'], 'without a filter the completed ones are there, too')
  await call('PATCH', milk as string)
  t.same(await titles('&completed=false'), ['Milk', 'Tea'])
})
