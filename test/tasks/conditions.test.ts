/** If-Match and If-None-Match: 304, 412, and one winner among many. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { randomUser, startService, type Task } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create } = service

const replacement = { title: 'Replaced', description: null, completed: true }

/** Each write of a task that takes a condition, and a body that changes the task. */
const writes: [operationId: string, method: string, suffix: string, body?: unknown][] = [
  ['replaceTask', 'PUT', '', replacement],
  ['updateTask', 'PATCH', '', { title: 'Updated' }],
  ['completeTask', 'PATCH', '/complete'],
  ['deleteTask', 'DELETE', ''],
]

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

for (const [operationId, method, suffix, body] of writes) {
  const write = (task: Task, headers: Record<string, string>) => call(method, pathOf(task) + suffix, body, headers)

  t.test(`${operationId} with a condition that does not hold is 412 and changes nothing`, async t => {
    const user = randomUser()
    const task = await create(user)
    const conditions: Record<string, string>[] = [
      { 'if-match': '"2"' },
      { 'if-match': 'W/"1"' },
      { 'if-match': '"2", "3"' },
      { 'if-match': '"01"' },
      { 'if-match': '"x"' },
      { 'if-match': '""' },
      { 'if-none-match': '*' },
      { 'if-none-match': '"1"' },
      { 'if-none-match': '"3", W/"1"' },
      { 'if-match': '"1"', 'if-none-match': '"1"' },
    ]
    for (const condition of conditions) {
      const answer = await write(task, condition)
      t.equal(answer.status, 412, JSON.stringify(condition))
      t.equal(answer.body.code, 'precondition_failed')
      t.equal(answer.headers.get('etag'), '"1"', 'the current one')
    }
    t.same((await call('GET', pathOf(task))).body, task)
    t.equal((await create(user)).revision, 2, 'the refused writes took no number')
  })

  t.test(`${operationId} with a condition that holds does its work`, async t => {
    const user = randomUser()
    for (const condition of ['"#"', '*', '"7" , "#"', 'W/"1", "#"']) {
      const task = await create(user)
      const answer = await write(task, { 'if-match': condition.replace('#', `${task.revision}`) })
      t.equal(answer.status, operationId === 'deleteTask' ? 204 : 200, condition)
      if (operationId !== 'deleteTask') t.equal(answer.body.revision, task.revision + 1)
    }
    const task = await create(user)
    t.ok((await write(task, { 'if-none-match': '"1"' })).status < 300)
  })

  t.test(`${operationId} of what is not there is 404, whatever the condition`, async t => {
    const task = { ...(await create(randomUser())), id: randomUUID() }
    for (const condition of ['"1"', '*']) {
      t.equal((await write(task, { 'if-match': condition })).status, 404)
    }
  })

  t.test(`${operationId} refuses a condition that is none`, async t => {
    const task = await create(randomUser())
    for (const condition of ['1', '"1', '"1" "2"', '*, "1"', 'w/"1"', '""1""', ',']) {
      for (const name of ['if-match', 'if-none-match']) {
        const { status, body } = await write(task, { [name]: condition })
        t.match([status, body], [400, { errors: [{ in: 'header', name, code: 'wrong_format' }] }], condition)
      }
    }
    t.same((await call('GET', pathOf(task))).body, task)
  })

  t.test(`of ten concurrent ${operationId} with one ETag exactly one wins`, async t => {
    const user = randomUser()
    for (let round = 0; round < 5; round += 1) {
      const task = await create(user)
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => write(task, { 'if-match': `"${task.revision}"` })),
      )
      const winners = answers.filter(({ status }) => status < 300)
      t.equal(winners.length, 1)
      // Who comes after a deletion finds nothing to have a condition on.
      const loser = operationId === 'deleteTask' ? 404 : 412
      t.equal(answers.filter(({ status }) => status === loser).length, 9)
      const next = await create(user)
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
