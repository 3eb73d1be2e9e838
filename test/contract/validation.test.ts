/** A request that violates the contract returns 400 with every validation error: its place, its code and a sentence. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { invalid, type ResponseTo } from '../../scripts/support/client.ts'
import { operations } from '../../scripts/support/contract.ts'
import { type Query, validRequest } from '../../scripts/support/requests.ts'
import { startService } from '../../scripts/support/service.ts'
import type { OperationId } from '../../src/contract/types.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

type Response = { [Op in OperationId]: ResponseTo<Op> }[OperationId]

/** The validation errors of a response, if it has any. */
const errorsOf = ({ body }: Response) => (body && 'errors' in body ? body.errors : undefined)

t.test('a request with several errors returns all of them at once', async t => {
  const user = await service.newUser({ id: 'no one' })
  const response = await user.send.replaceTask('17', invalid({ title: '', description: 1, done: true }), {
    query: invalid({ x: 1 }),
    header: { 'Idempotency-Key': 'two words' },
  })
  t.equal(response.status, 400)
  t.equal(response.headers.get('content-type')?.split(';')[0], 'application/problem+json')
  t.match(response.body, {
    type: '/problems/validation_failed',
    status: 400,
    code: 'validation_failed',
    detail: /^8 validation errors\. See errors\.$/,
  })
  t.same(
    new Set(errorsOf(response)),
    new Set([
      {
        in: 'path',
        name: 'user_id',
        code: 'wrong_format',
        detail: 'may have only the characters A-Z a-z 0-9 . _ : @ | ~ + -, and not dots alone',
      },
      {
        in: 'path',
        name: 'id',
        code: 'wrong_format',
        detail: 'must be a UUID, such as 01a19b7c-a680-7bde-9be2-8c463465bc89',
      },
      { in: 'query', name: 'x', code: 'unknown', detail: 'is not a known parameter' },
      {
        in: 'header',
        name: 'idempotency-key',
        code: 'wrong_format',
        detail: 'must have 1 to 255 printable ASCII characters, in double quotes or, without a space, bare',
      },
      { in: 'body', pointer: '/completed', code: 'required', detail: 'is required' },
      { in: 'body', pointer: '/done', code: 'unknown', detail: 'is not a known field' },
      { in: 'body', pointer: '/title', code: 'too_short', detail: 'must have at least 1 character, has 0' },
      { in: 'body', pointer: '/description', code: 'wrong_type', detail: 'must be of type string or null' },
    ]),
  )
})

t.test('each kind of validation error has a code and a sentence of its own', async t => {
  const alice = await service.newUser()
  const errors = async (query: Query) => errorsOf(await alice.send.listTasks({ query: invalid(query) }))
  t.same(await errors({ limit: 0 }), [{ in: 'query', name: 'limit', code: 'too_small', detail: 'must be at least 1' }])
  t.same(await errors({ limit: 501 }), [
    { in: 'query', name: 'limit', code: 'too_large', detail: 'must be at most 500' },
  ])
  t.same(await errors({ limit: 'ten' }), [
    { in: 'query', name: 'limit', code: 'wrong_type', detail: 'must be of type integer' },
  ])
  t.same(await errors({ completed: 'yes' }), [
    { in: 'query', name: 'completed', code: 'wrong_type', detail: 'must be of type boolean' },
  ])
  t.same(await errors({ completed: [true, true] }), [
    { in: 'query', name: 'completed', code: 'repeated', detail: 'must not be repeated' },
  ])
  t.match(await errors({ sort: 'priority' }), [
    { in: 'query', name: 'sort', code: 'not_a_choice', detail: 'must be one of created_at.desc, created_at.asc' },
  ])
  t.same(await errors({ cursor: 'a b' }), [
    { in: 'query', name: 'cursor', code: 'wrong_format', detail: 'must be the next_cursor of an earlier page' },
  ])
  t.match(await errors({ toString: 1, ['__proto__']: 2, '/~': 3 }), [
    { name: 'toString' },
    { name: '__proto__' },
    { name: '/~' },
  ])
})

t.test('a missing body, a body that is not an object and malformed JSON return 400', async t => {
  const alice = await service.newUser()
  const post = (text: string) => alice.send.createTask(invalid(text))
  const required = [{ in: 'body', pointer: '', code: 'required', detail: 'is required' }]
  for (const text of ['[]', '"{\\"title\\":\\"T\\"}"', '7', 'null', 'true']) {
    t.same(
      errorsOf(await post(text)),
      [{ in: 'body', pointer: '', code: 'wrong_type', detail: 'must be of type object' }],
      text,
    )
  }
  for (const text of ['{', '{"title":}', '\ufeff{}', 'title=T', "{'title':'T'}", '{"title":"T"} x']) {
    t.match((await post(text)).body, { code: 'malformed_json' }, text)
  }
  t.same(errorsOf(await post('')), required)
  t.same(errorsOf(await alice.send.createTask(invalid(undefined))), required)
  t.same(errorsOf(await post('{"title":"T","__proto__":{"completed":true},"a/b~c":1}')), [
    { in: 'body', pointer: '/__proto__', code: 'unknown', detail: 'is not a known field' },
    { in: 'body', pointer: '/a~1b~0c', code: 'unknown', detail: 'is not a known field' },
  ])
})

t.test('the last of several fields with the same name is used', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask(invalid('{"title":"first","title":"last"}'))
  t.equal(task.title, 'last')
})

t.test('validation errors are limited in number, and the names they quote in length', async t => {
  const alice = await service.newUser()
  const items = Array.from({ length: 100 }, () => ({ action: 'delete', id: randomUUID(), a: 1, b: 2, c: 3 }))
  const many = await alice.send.batchTasks(invalid({ items }))
  t.equal(errorsOf(many)?.length, 100)
  t.match(many.body, { detail: /^More than 100 validation errors\. See errors for the first 100\.$/ })
  const long = await alice.send.createTask(
    invalid({ title: 'T', [`${'x'.repeat(254)}😀${'y'.repeat(9000)}`]: 1, 'nul\0': 1 }),
  )
  t.equal(errorsOf(long)?.[0]?.pointer?.length, 256)
  t.equal(errorsOf(long)?.[1]?.pointer, '/nul\ufffd')
  const longName = await alice.send.listTasks({ query: invalid({ ['q'.repeat(9000)]: 1 }) })
  t.equal(errorsOf(longName)?.[0]?.name?.length, 256)
})

t.test('a deeply nested body returns 400', async t => {
  const alice = await service.newUser()
  const depth = 32_000
  const response = await alice.send.createTask(invalid(`{"title":${'['.repeat(depth)}${']'.repeat(depth)}}`))
  t.equal(response.status, 400)
})

t.test('an operation without a body refuses one, but accepts an empty one', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  const path = alice.path('deleteTask', id)
  t.same((await service.call('DELETE', path, { really: true })).body.errors, [
    { in: 'body', pointer: '', code: 'unexpected_body', detail: 'must be empty: this operation takes no body' },
  ])
  t.equal((await service.call('DELETE', path, '', { 'content-type': 'application/json' })).status, 204)
})

t.test('every operation refuses an unknown query parameter', async t => {
  for (const operation of operations) {
    const [method, path, content] = validRequest(operation)
    const url = `${path}${path.includes('?') ? '&' : '?'}unknown=1`
    const { status, body } = await service.call(method, url, content)
    t.equal(status, 400, `${method} ${path}`)
    t.ok(body.errors?.some(error => error.in === 'query'))
  }
})

t.test('every operation replaces an invalid X-Request-Id', async t => {
  for (const operation of operations) {
    const user = await service.newUser()
    const task = await user.createTask({ title: 'T' })
    const [method, path, content] = validRequest(operation, user.id, task)
    const { status, headers } = await service.call(method, path, content, { 'x-request-id': 'é' })
    t.ok([200, 201, 204].includes(status), `${method} ${path}`)
    t.match(headers.get('x-request-id'), /^[0-9a-f-]{36}$/)
  }
})

t.test('an empty user id and a user id of more than 128 characters return 400', async t => {
  const path = (await service.newUser({ id: '' })).path('listTasks')
  t.equal((await service.send('GET', path, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)).body.status, 400)
  const user = await service.newUser({ id: 'x'.repeat(129) })
  t.match(errorsOf(await user.send.listTasks()), [{ code: 'too_long' }])
})

t.test('a user id of dots alone returns 400, because clients treat it as another path', async t => {
  const template = (await service.newUser({ id: 'segment' })).path('listTasks')
  const get = (segment: string) => {
    const path = template.replace('segment', segment)
    return service.send('GET', path, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  }
  for (const segment of ['.', '..', '...', '%2e', '%2e%2e', '%2E.', '.%2e']) {
    const { status, body } = await get(segment)
    t.equal(status, 400, segment)
    t.match(body.errors, [{ in: 'path', name: 'user_id', code: 'wrong_format' }])
  }
  // As browsers do, `fetch` resolves them before it sends the request.
  for (const segment of ['..', '%2e%2e']) {
    t.equal((await fetch(service.origin + template.replace('segment', segment))).status, 404, segment)
  }
  for (const segment of ['.a', '..a', 'a.', 'a..b', '.-.']) t.equal((await get(segment)).status, 200, segment)
})
