/** Security headers, Cache-Control and CORS. */
import t from 'tap'
import { invalid } from '../../scripts/support/client.ts'
import { contract, operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { silent, startService, type Task } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { bearer, secret } from '../support/issuer.ts'

const origin = 'https://app.example.org'
const preflight = { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization' }

t.test('every response has security headers', async t => {
  await using service = await startService({ requestTimeout: 300 })
  const { call, send, origin } = service
  const answers = []
  for (const operation of operations) answers.push(await call(...validRequest(operation)))
  const tooLarge = `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(contract.document['x-limits'].header_bytes)}\r\n\r\n`
  // Some of these are answered directly on the socket.
  for (const [status, bytes] of [
    [400, 'nonsense\r\n\r\n'],
    [400, 'GET /% HTTP/1.1\r\nHost: x\r\n\r\n'],
    [405, 'CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n'],
    [408, 'GET / HTTP/1.1\r\n'],
    [431, tooLarge],
  ] as const) {
    const answer = await send('GET', '/unparsed', bytes)
    t.equal(answer.status, status)
    answers.push(answer)
  }
  for (const path of ['/openapi.yaml', '/docs', '/nowhere']) answers.push(await fetch(origin + path))
  for (const { headers } of answers) {
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.match(headers.get('content-security-policy'), /default-src '(none|self)'.*frame-ancestors 'none'/)
    t.equal(headers.get('x-frame-options'), 'DENY')
    t.equal(headers.get('referrer-policy'), 'no-referrer')
    t.match(headers.get('strict-transport-security'), /^max-age=\d+/)
    t.notOk(headers.has('x-powered-by') || headers.has('server'), 'no header names the software')
  }
})

t.test('every response of an operation has Cache-Control: no-store, whatever its status', async t => {
  const authenticate = createAuthenticate({ secret }, silent)
  await using service = await startService({ authenticate })
  const { call } = service
  const user = await service.newUser({ header: bearer })
  const token = await bearer(user.id)
  const created = await user.send.createTask({ title: 'T' })
  const task = created.body as Task
  const answers: { status: number; headers: Headers }[] = [created]
  for (const operation of operations) {
    const [method, path, body] = validRequest(operation, user.id, { id: task.id })
    answers.push(await call(method, path, body), await call(method, path, body, token))
  }
  const { id, revision } = await user.createTask({ title: 'T' })
  answers.push(
    await user.send.getTask(id, { header: { 'if-none-match': `"${revision}"` } }),
    await user.send.getTask(id, { header: { 'if-match': '"1000"' } }),
    await user.send.listTasks({ query: invalid({ x: 1 }) }),
    await user.send.listTasks({ header: { accept: 'text/html' } }),
    await call('HEAD', user.path('listTasks'), undefined, token),
  )
  const statuses = new Set(answers.map(({ status }) => status))
  for (const status of [200, 201, 304, 400, 401, 406, 412]) t.ok(statuses.has(status), `one response is ${status}`)
  for (const { status, headers } of answers) t.equal(headers.get('cache-control'), 'no-store', `${status}`)
})

t.test('without configured origins no response allows CORS', async t => {
  await using service = await startService()
  const path = service.origin + (await service.newUser()).path('listTasks')
  const asked = await fetch(path, { method: 'OPTIONS', headers: preflight })
  t.equal(asked.status, 405)
  const simple = await fetch(path, { headers: { origin } })
  t.equal(simple.status, 200)
  for (const { headers } of [asked, simple]) t.notOk(headers.has('access-control-allow-origin'))
})

t.test('configured origins get CORS headers, and other origins do not', async t => {
  await using service = await startService({ corsOrigins: [origin, 'http://localhost:5173'] })
  const path = service.origin + (await service.newUser()).path('listTasks')
  const asked = await fetch(path, { method: 'OPTIONS', headers: preflight })
  t.equal(asked.status, 204)
  t.equal(asked.headers.get('access-control-allow-origin'), origin)
  t.equal(asked.headers.get('access-control-allow-headers'), 'authorization')
  const methods = asked.headers.get('access-control-allow-methods')?.split(', ')
  for (const { method } of operations) t.ok(methods?.includes(method.toUpperCase()), method)

  const answered = await fetch(path, { headers: { origin } })
  t.equal(answered.headers.get('access-control-allow-origin'), origin)
  t.match(answered.headers.get('access-control-expose-headers'), /ETag/)
  t.match(answered.headers.get('vary'), /Origin/i)
  t.notOk(answered.headers.has('access-control-allow-credentials'), 'there are no cookies to send')

  for (const headers of [
    { ...preflight, origin: 'https://evil.example' },
    { ...preflight, origin: 'null' },
  ]) {
    t.notOk(
      (await fetch(path, { method: 'OPTIONS', headers })).headers.has('access-control-allow-origin'),
      headers.origin,
    )
  }
  t.equal((await fetch(path, { method: 'OPTIONS' })).status, 405, 'OPTIONS without the headers of a preflight')
  t.equal((await fetch(`${service.origin}/nowhere`, { method: 'OPTIONS' })).status, 404)
})
