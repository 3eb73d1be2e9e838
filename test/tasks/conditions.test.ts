/** If-Match and If-None-Match: 304, 412, and exactly one success among concurrent writes. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { startService, type Task } from '../../scripts/support/service.ts'
import { prepareFor } from '../support/prepare.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

/** Every write that takes a condition. */
const writes = operations.filter(
  ({ method, parameters }) => method !== 'get' && parameters.some(({ name }) => name === 'If-Match'),
)

/** The task as it is now, deleted or not. */
async function find(user: User, id: string) {
  const [live, deleted] = [await user.listTasks(), await user.listTasks({ query: { deleted: true } })]
  return [...live.data, ...deleted.data].find(task => task.id === id) as Task
}

t.test('every write of one task takes a precondition', async t => {
  t.same(
    writes,
    operations.filter(({ method, path }) => method !== 'get' && path.includes('{id}')),
  )
})

t.test('GET with If-None-Match returns 304 for the current revision, and the task for any other', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  const get = (header: Record<string, string>) => alice.send.getTask(task.id, { header })
  t.equal((await get({ 'If-Match': '"9007199254740993"' })).status, 412, 'beyond all revisions')
  for (const tags of ['"1"', 'W/"1"', '*', '"7", "1"', '"a,b" ,W/"1",', ',, "1"']) {
    const { status, headers, text } = await get({ 'If-None-Match': tags })
    t.same([status, headers.get('etag'), text], [304, '"1"', ''], tags)
  }
  const head = await service.call('HEAD', alice.path('getTask', task.id), undefined, { 'if-none-match': '"1"' })
  t.equal(head.status, 304)
  for (const tags of ['"2"', '"01"', '""', '"1.0"', '"11"', '"99999999999999999999"']) {
    const { status, body } = await get({ 'If-None-Match': tags })
    t.same([status, body], [200, task], tags)
  }
  const changed = await alice.updateTask(task.id, { title: 'Changed' })
  const after = await get({ 'If-None-Match': '"1"' })
  t.same([after.status, after.body, after.headers.get('etag')], [200, changed, '"2"'])
})

for (const operation of writes) {
  const { operationId } = operation
  const prepare = async (user: User) => find(user, await prepareFor(operationId, user))
  const write = ({ user_id, id }: Task, headers: Record<string, string>) =>
    service.call(...validRequest(operation, user_id, { id }), headers)
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
      t.equal(answer.headers.get('etag'), tag, 'the current ETag')
    }
    t.same(await find(user, task.id), task)
    const next = await user.createTask({ title: 'Next' })
    t.equal(next.revision, task.revision + 1, 'the refused writes took no revision')
  })

  t.test(`${operationId} with a condition that holds succeeds`, async t => {
    const user = await service.newUser()
    for (const condition of ['"#"', '*', '"7000" , "#"', 'W/"1", "#"']) {
      const task = await prepare(user)
      const answer = await write(task, { 'if-match': condition.replace('#', `${task.revision}`) })
      t.equal(answer.status, isDeletion ? 204 : 200, condition)
      if (!isDeletion) t.match(answer.body, { revision: task.revision + 1 })
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
      // After the deletion the task no longer exists, and a missing task is 404 whatever the condition.
      const loser = isDeletion ? 404 : 412
      t.equal(answers.filter(({ status }) => status === loser).length, 9)
      const next = await user.createTask({ title: 'Next' })
      t.equal(next.revision, task.revision + 2, 'only the successful write took a revision')
    }
  })
}

t.test('PUT with If-Match and the revision from a list succeeds', async t => {
  const alice = await service.newUser()
  await alice.createTask({ title: 'T' })
  const [listed] = (await alice.listTasks()).data
  const replacement = { title: 'Replaced', description: null, completed: true }
  const header = { 'If-Match': `"${listed?.revision}"` }
  t.equal((await alice.send.replaceTask(`${listed?.id}`, replacement, { header })).status, 200)
})

t.test('PUT with a stale If-Match returns 412 even if it would change nothing', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  const { title, description, completed } = task
  const put = (tag: string) =>
    alice.send.replaceTask(task.id, { title, description, completed }, { header: { 'If-Match': tag } })
  t.equal((await put('"9"')).status, 412)
  t.same((await put('"1"')).body, task)
})

t.test('GET with a stale If-Match returns 412; If-Match takes precedence over If-None-Match', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T' })
  const get = (header: Record<string, string>) => alice.send.getTask(task.id, { header })
  t.same((await get({ 'If-Match': '"1"' })).body, task)
  t.same((await get({ 'If-Match': '*' })).body, task)
  const refused = await get({ 'If-Match': '"2"', 'If-None-Match': '"1"' })
  t.match([refused.status, refused.headers.get('etag')], [412, '"1"'])
  t.equal((await get({ 'If-Match': '"1"', 'If-None-Match': '*' })).status, 304)
})

t.test('every write without a task id in its path refuses preconditions with 400 and writes nothing', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T', completed: true })
  for (const operation of operations) {
    if (operation.method === 'get' || operation.path.includes('{id}')) continue
    const [method, path, body] = validRequest(operation, alice.id)
    for (const name of ['if-match', 'if-none-match']) {
      const answer = await service.call(method, path, body, { [name]: '*' })
      t.match(
        [answer.status, answer.body.errors],
        [400, [{ in: 'header', name, code: 'unknown' }]],
        operation.operationId,
      )
    }
  }
  t.same((await alice.listTasks()).data, [task])
})
