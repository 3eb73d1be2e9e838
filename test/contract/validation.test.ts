/** 400: every broken rule at once, each with its place, its code and a sentence. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { randomUser, startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create, origin, send } = service

t.test('everything that is wrong with a request is told at once', async t => {
  const { status, body, headers } = await call(
    'PUT',
    '/api/no%20one/tasks/17?x=1',
    { title: '', description: 1, done: true },
    {
      'x-request-id': 'two words',
    },
  )
  t.equal(status, 400)
  t.equal(headers.get('content-type')?.split(';')[0], 'application/problem+json')
  t.match(body, { type: '/problems/validation_failed', status: 400, code: 'validation_failed' })
  t.equal(body.detail, '8 rules are broken; see errors.')
  t.same(
    new Set(body.errors),
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
      { in: 'query', name: 'x', code: 'unknown', detail: 'is not known here' },
      { in: 'header', name: 'x-request-id', code: 'wrong_format', detail: 'may have only visible ASCII characters' },
      { in: 'body', pointer: '/completed', code: 'required', detail: 'is required' },
      { in: 'body', pointer: '/done', code: 'unknown', detail: 'is not known here' },
      { in: 'body', pointer: '/title', code: 'too_short', detail: 'must have at least 1 character, has 0' },
      { in: 'body', pointer: '/description', code: 'wrong_type', detail: 'must be of type string or null' },
    ]),
  )
})

t.test('each rule has its code and sentence', async t => {
  const user = randomUser()
  const query = async (text: string) => (await call('GET', `/api/${user}/tasks?${text}`)).body.errors
  t.same(await query('limit=0'), [{ in: 'query', name: 'limit', code: 'too_small', detail: 'must be at least 1' }])
  t.same(await query('limit=201'), [{ in: 'query', name: 'limit', code: 'too_large', detail: 'must be at most 200' }])
  t.same(await query('limit=ten'), [
    { in: 'query', name: 'limit', code: 'wrong_type', detail: 'must be of type integer' },
  ])
  t.same(await query('completed=yes'), [
    { in: 'query', name: 'completed', code: 'wrong_type', detail: 'must be of type boolean' },
  ])
  t.same(await query('completed=true&completed=true'), [
    { in: 'query', name: 'completed', code: 'repeated', detail: 'must be given once at the most' },
  ])
  t.match(await query('sort=priority'), [
    { in: 'query', name: 'sort', code: 'not_a_choice', detail: 'must be one of -created_at, created_at' },
  ])
  t.same(await query('cursor=a%20b'), [
    {
      in: 'query',
      name: 'cursor',
      code: 'wrong_format',
      detail: 'must be a next_cursor as an earlier page returned it',
    },
  ])
  t.match(await query('toString=1&__proto__=2&%2F~=3'), [{ name: 'toString' }, { name: '__proto__' }, { name: '/~' }])
})

t.test('bodies that are no object, no JSON, or missing', async t => {
  const path = `/api/${randomUser()}/tasks`
  const post = async (body: string) => (await call('POST', path, body, { 'content-type': 'application/json' })).body
  for (const text of ['[]', '"{\\"title\\":\\"T\\"}"', '7', 'null', 'true']) {
    t.same(
      (await post(text)).errors,
      [{ in: 'body', pointer: '', code: 'wrong_type', detail: 'must be of type object' }],
      text,
    )
  }
  for (const text of ['{', '{"title":}', '\ufeff{}', 'title=T', "{'title':'T'}", '{"title":"T"} x']) {
    t.equal((await post(text)).code, 'malformed_json', text)
  }
  t.same((await post('')).errors, [{ in: 'body', pointer: '', code: 'required', detail: 'is required' }])
  t.same((await call('POST', path)).body.errors, [{ in: 'body', pointer: '', code: 'required', detail: 'is required' }])
  t.same((await post('{"title":"T","__proto__":{"completed":true},"a/b~c":1}')).errors, [
    { in: 'body', pointer: '/__proto__', code: 'unknown', detail: 'is not known here' },
    { in: 'body', pointer: '/a~1b~0c', code: 'unknown', detail: 'is not known here' },
  ])
  t.equal((await post('{"title":"first","title":"last"}')).title, 'last', 'of equal names the last one counts')
})

t.test('what the caller got wrong is quoted no longer than the contract allows', async t => {
  const path = `/api/${randomUser()}/tasks`
  const items = Array.from({ length: 100 }, () => ({ action: 'delete', id: randomUUID(), a: 1, b: 2, c: 3 }))
  const { body } = await call('POST', `${path}/batch`, { items })
  t.equal(body.errors.length, 100)
  t.equal(body.detail, 'More than 100 rules are broken; see errors for the first 100.')
  const long = await call('POST', path, { title: 'T', [`${'x'.repeat(254)}😀${'y'.repeat(9000)}`]: 1, 'nul\0': 1 })
  t.equal(long.body.errors[0].pointer.length, 256)
  t.equal(long.body.errors[1].pointer, '/nul\ufffd')
  t.equal((await call('GET', `${path}?${'q'.repeat(9000)}=1`)).body.errors[0].name.length, 256)
})

t.test('deeply nested bodies are refused like any other', async t => {
  const depth = 32_000
  const { status } = await call(
    'POST',
    `/api/${randomUser()}/tasks`,
    `{"title":${'['.repeat(depth)}${']'.repeat(depth)}}`,
    {
      'content-type': 'application/json',
    },
  )
  t.equal(status, 400)
})

t.test('an operation without a body takes none, but does not mind an empty one', async t => {
  const user = randomUser()
  const { id } = await create(user)
  const path = `/api/${user}/tasks/${id}`
  const refused = await call('DELETE', path, { really: true })
  t.same(refused.body.errors, [
    { in: 'body', pointer: '', code: 'unexpected_body', detail: 'must be empty: this operation takes no body' },
  ])
  t.equal((await call('DELETE', path, '', { 'content-type': 'application/json' })).status, 204)
})

t.test('every operation refuses an unknown query parameter and a bad X-Request-Id', async t => {
  for (const operation of operations) {
    const [method, path, content] = validRequest(operation)
    const url = `${path}${path.includes('?') ? '&' : '?'}unknown=1`
    const { status, body } = await call(method, url, content, { 'x-request-id': 'é' })
    t.equal(status, 400, `${method} ${path}`)
    t.ok(body.errors.some((error: { in: string }) => error.in === 'query'))
    t.ok(body.errors.some((error: { in: string }) => error.in === 'header'))
  }
})

t.test('a request without a user or an id', async t => {
  t.equal((await send('GET', '/api//tasks', 'GET /api//tasks HTTP/1.1\r\nHost: localhost\r\n\r\n')).body.status, 400)
  t.equal((await call('GET', `/api/${'x'.repeat(129)}/tasks`)).body.errors[0].code, 'too_long')
})

t.test('a user of dots alone is refused: to other clients that is another path', async t => {
  const get = (segment: string) => {
    const path = `/api/${segment}/tasks`
    return send('GET', path, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  }
  for (const segment of ['.', '..', '...', '%2e', '%2e%2e', '%2E.', '.%2e']) {
    const { status, body } = await get(segment)
    t.equal(status, 400, segment)
    t.match(body.errors, [{ in: 'path', name: 'user_id', code: 'wrong_format' }])
  }
  // The client of this test resolves them before it sends anything, as browsers do.
  for (const segment of ['..', '%2e%2e']) t.equal((await fetch(`${origin}/api/${segment}/tasks`)).status, 404, segment)
  for (const segment of ['.a', '..a', 'a.', 'a..b', '.-.']) t.equal((await get(segment)).status, 200, segment)
})
