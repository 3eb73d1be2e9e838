/** If-Match and If-None-Match: 304, 412, and one winner among many. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { randomUser, startService, type Task } from '../../scripts/support/service.ts'
import { prepareFor } from '../support/prepare.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create } = service

const replacement = { title: 'Replaced', description: null, completed: true }

/** Every write that takes a condition. */
const writes = operations.filter(
  ({ method, parameters }) => method !== 'get' && parameters.some(({ name }) => name === 'If-Match'),
)

/** The task as it is now, deleted or not. */
async function find(user: User, id: string) {
  const [live, deleted] = [await user.listTasks(), await user.listTasks({ query: { deleted: true } })]
  return [...live.data, ...deleted.data].find(task => task.id === id) as Task
}

const pathOf = (task: Task) => `/api/${task.user_id}/tasks/${task.id}`

t.test('a read is 304 for the revision that the caller has', async t => {
  const task = await create(randomUser())
  const path = pathOf(task)
  t.equal(
    (await call('GET', path, undefined, { 'if-match': '"9007199254740993"' })).status,
    412,
    'beyond all revisions',
  )
  for (const tags of ['"1"', 'W/"1"', '*', '"7", "1"', '"a,b" ,W/"1",', ',, "1"']) {
    const { status, headers, text } = await call('GET', path, undefined, { 'if-none-match': tags })
    t.same([status, headers.get('etag'), text], [304, '"1"', ''], tags)
  }
  t.equal((await call('HEAD', path, undefined, { 'if-none-match': '"1"' })).status, 304)
  for (const tags of ['"2"', '"01"', '""', '"1.0"', '"11"', '"99999999999999999999"']) {
    const { status, body } = await call('GET', path, undefined, { 'if-none-match': tags })
    t.same([status, body], [200, task], tags)
  }
  const changed = (await call('PATCH', path, { title: 'Changed' })).body
  const after = await call('GET', path, undefined, { 'if-none-match': '"1"' })
  t.same([after.status, after.body, after.headers.get('etag')], [200, changed, '"2"'])
})

for (const operation of writes) {
  const { operationId } = operation
  const prepare = async (user: User) => find(user, await prepareFor(operationId, user))
  const write = ({ user_id, id }: Task, headers: Record<string, string>) =>
    call(...validRequest(operation, user_id, { id }), headers)
  const isDeletion = '204' in operation.responses

  t.test(`${operationId} with a condition that does not hold returns 412 and changes nothing`, async t => {
    const user = await service.newUser()
    const task = await prepare(user)
    const tag = `"${task.revision}"`
    const conditions: Record<string, string>[] = [
      { 'if-match': `"${task.revision + 1}"` },
      { 'if-match': `W/${tag}` },
      { 'if-match': '"8", "9"' },
      { 'if-match': `"0${task.revision}"` },
      { 'if-match': '"x"' },
      { 'if-match': '""' },
      { 'if-none-match': '*' },
      { 'if-none-match': tag },
      { 'if-none-match': `"9", W/${tag}` },
      { 'if-match': tag, 'if-none-match': tag },
    ]
    for (const condition of conditions) {
      const answer = await write(task, condition)
      t.equal(answer.status, 412, JSON.stringify(condition))
      t.equal(answer.body.code, 'precondition_failed')
      t.equal(answer.headers.get('etag'), tag, 'the current one')
    }
    t.same(await find(user, task.id), task)
    const next = await user.createTask({ title: 'Next' })
    t.equal(next.revision, task.revision + 1, 'the refused writes took no number')
  })

  t.test(`${operationId} with a condition that holds does its work`, async t => {
    const user = await service.newUser()
    for (const condition of ['"#"', '*', '"7000" , "#"', 'W/"1", "#"']) {
      const task = await prepare(user)
      const answer = await write(task, { 'if-match': condition.replace('#', `${task.revision}`) })
      t.equal(answer.status, isDeletion ? 204 : 200, condition)
      if (!isDeletion) t.equal(answer.body.revision, task.revision + 1)
    }
    const task = await prepare(user)
    t.ok((await write(task, { 'if-none-match': '"1"' })).status < 300)
  })

  t.test(`${operationId} of a task that does not exist returns 404, whatever the condition`, async t => {
    const task = { ...(await prepare(await service.newUser())), id: randomUUID() }
    for (const condition of ['"1"', '*']) {
      t.equal((await write(task, { 'if-match': condition })).status, 404)
    }
  })

  t.test(`${operationId} with a malformed condition returns 400`, async t => {
    const user = await service.newUser()
    const task = await prepare(user)
    for (const condition of ['1', '"1', '"1" "2"', '*, "1"', 'w/"1"', '""1""', ',']) {
      for (const name of ['if-match', 'if-none-match']) {
        const { status, body } = await write(task, { [name]: condition })
        t.match([status, body], [400, { errors: [{ in: 'header', name, code: 'wrong_format' }] }], condition)
      }
    }
    t.same(await find(user, task.id), task)
  })

  t.test(`${operationId} ten times at once with one ETag succeeds exactly once`, async t => {
    const user = await service.newUser()
    for (let round = 0; round < 5; round += 1) {
      const task = await prepare(user)
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => write(task, { 'if-match': `"${task.revision}"` })),
      )
      const winners = answers.filter(({ status }) => status < 300)
      t.equal(winners.length, 1)
      // A request that comes after a deletion finds nothing to have a condition on.
      const loser = isDeletion ? 404 : 412
      t.equal(answers.filter(({ status }) => status === loser).length, 9)
      const next = await user.createTask({ title: 'Next' })
      t.equal(next.revision, task.revision + 2, 'and only the winner took a number')
    }
  })
}

t.test('a list has what If-Match needs', async t => {
  const user = randomUser()
  await create(user)
  const [listed] = (await call('GET', `/api/${user}/tasks`)).body.data
  const answer = await call('PUT', pathOf(listed), replacement, { 'if-match': `"${listed.revision}"` })
  t.equal(answer.status, 200)
})

t.test('a condition is about the task, also where nothing would change', async t => {
  const task = await create(randomUser())
  const same = { title: task.title, description: task.description, completed: task.completed }
  t.equal((await call('PUT', pathOf(task), same, { 'if-match': '"9"' })).status, 412)
  t.same((await call('PUT', pathOf(task), same, { 'if-match': '"1"' })).body, task)
})

t.test('a read with If-Match is 412 where the task is another one', async t => {
  const task = await create(randomUser())
  const read = (headers: Record<string, string>) => call('GET', pathOf(task), undefined, headers)
  t.same((await read({ 'if-match': '"1"' })).body, task)
  t.same((await read({ 'if-match': '*' })).body, task)
  const refused = await read({ 'if-match': '"2"', 'if-none-match': '"1"' })
  t.match([refused.status, refused.headers.get('etag')], [412, '"1"'], 'If-Match comes first')
  t.equal((await read({ 'if-match': '"1"', 'if-none-match': '*' })).status, 304)
})

t.test('a write that is about no one task refuses conditions, rather than doing without them', async t => {
  const user = randomUser()
  const task = await create(user, { completed: true })
  for (const operation of operations) {
    if (operation.method === 'get' || operation.path.includes('{id}')) continue
    const [method, path, body] = validRequest(operation, user)
    for (const name of ['if-match', 'if-none-match']) {
      const answer = await call(method, path, body, { [name]: '*' })
      t.match(
        [answer.status, answer.body.errors],
        [400, [{ in: 'header', name, code: 'unknown' }]],
        operation.operationId,
      )
    }
  }
  t.same((await call('GET', `/api/${user}/tasks`)).body.data, [task])
})
