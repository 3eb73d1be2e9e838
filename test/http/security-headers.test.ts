/** What browsers are told. */
import t from 'tap'
import { contract, operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { randomUser, silent, startService } from '../../scripts/support/service.ts'
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
  // Some are answered on the bare socket.
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
    t.notOk(headers.has('x-powered-by') || headers.has('server'), 'nothing tells what runs here')
  }
})

t.test('no response of an operation may be stored, whatever its status', async t => {
  const authenticate = createAuthenticate({ secret }, silent)
  await using service = await startService({ authenticate })
  const { call } = service
  const user = randomUser()
  const token = await bearer(user)
  const path = `/api/${user}/tasks`
  const task = await call('POST', path, { title: 'T' }, token)
  const answers = [task]
  for (const operation of operations) {
    const [method, url, body] = validRequest(operation, user, { id: task.body.id })
    answers.push(await call(method, url, body), await call(method, url, body, token))
  }
  const other = await call('POST', path, { title: 'T' }, token)
  const notModified = { ...token, 'if-none-match': other.headers.get('etag') as string }
  answers.push(
    await call('GET', `${path}/${other.body.id}`, undefined, notModified),
    await call('GET', `${path}/${other.body.id}`, undefined, { ...token, 'if-match': '"1000"' }),
    await call('GET', `${path}?x=1`, undefined, token),
    await call('GET', path, undefined, { ...token, accept: 'text/html' }),
    await call('HEAD', path, undefined, token),
  )
  const statuses = new Set(answers.map(({ status }) => status))
  for (const status of [200, 201, 304, 400, 401, 406, 412]) t.ok(statuses.has(status), `${status} is among them`)
  for (const { status, headers } of answers) t.equal(headers.get('cache-control'), 'no-store', `${status}`)
})

t.test('CORS is off', async t => {
  await using service = await startService()
  const path = `${service.origin}/api/${randomUser()}/tasks`
  const asked = await fetch(path, { method: 'OPTIONS', headers: preflight })
  t.equal(asked.status, 405)
  const simple = await fetch(path, { headers: { origin } })
  t.equal(simple.status, 200)
  for (const { headers } of [asked, simple]) t.notOk(headers.has('access-control-allow-origin'))
})

t.test('CORS for the origins that are named', async t => {
  await using service = await startService({ corsOrigins: [origin, 'http://localhost:5173'] })
  const path = `${service.origin}/api/${randomUser()}/tasks`
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
  t.notOk(answered.headers.has('access-control-allow-credentials'), 'tokens are sent by script, cookies are not used')

  for (const headers of [
    { ...preflight, origin: 'https://evil.example' },
    { ...preflight, origin: 'null' },
  ]) {
    t.notOk(
      (await fetch(path, { method: 'OPTIONS', headers })).headers.has('access-control-allow-origin'),
      headers.origin,
    )
  }
  t.equal((await fetch(path, { method: 'OPTIONS' })).status, 405, 'what is no preflight is answered as ever')
  t.equal((await fetch(`${service.origin}/nowhere`, { method: 'OPTIONS' })).status, 404)
})
