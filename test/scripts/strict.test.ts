/** The tests' own check of responses: what the contract leaves open is closed for this version of the service. */
import t from 'tap'
import { type Answer, violations } from '../../scripts/support/contract.ts'
import { startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

/** A response of the service with other values in its body. */
const withBody = (answer: Answer, changes: object): Answer => ({ ...answer, body: { ...answer.body, ...changes } })

t.test('an undeclared field, code, status or header, or a value in another form, is a violation', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  const path = alice.path('getTask', id)
  const check = (answer: Answer) => violations('GET', path, answer)
  const task = (await alice.send.getTask(id)) as unknown as Answer
  t.same(check(task), [])
  t.match(check(withBody(task, { color: 'red' })), [/additional properties/])
  t.match(check(withBody(task, { created_at: '2026-11-02T09:00:00.000+00:00' })), [/created_at must match pattern/])
  t.match(check(withBody(task, { title: 'T'.repeat(256) })), [/title must NOT have more than 255/])
  t.match(check({ ...task, status: 418 }), [/418 is not declared/])
  t.match(check({ ...task, headers: new Headers([...task.headers, ['x-more', '1']]) }), [/x-more is not declared/])
  t.match(check({ ...task, headers: new Headers([...task.headers, ['etag', '"x"']]) }), [
    /header ETag .*must match pattern/,
  ])

  const missing = alice.path('getTask', '01a19b7c-a680-7bde-9be2-8c463465bc89')
  const response = await fetch(service.origin + missing)
  const problem = { status: 404, headers: response.headers, text: '', body: (await response.json()) as Answer['body'] }
  t.same(violations('GET', missing, problem), [])
  t.match(violations('GET', missing, withBody(problem, { code: 'odd' })), [/code must be equal to one of/])
})
