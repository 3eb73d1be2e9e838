/** HTTP itself: invalid requests, incomplete requests, and one response for each request. */
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { contract, operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { startService } from '../../scripts/support/service.ts'
import { conversation } from '../../scripts/support/socket.ts'
import { jsonHeaders, lastRequest, request, statusesOf } from '../support/bytes.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, send, port } = service
const impatient = await startService({ requestTimeout: 300 })
t.teardown(() => impatient[Symbol.asyncDispose]())
const limits = contract.document['x-limits']

t.test('headers over the limit return 431', async t => {
  for (const operation of operations) {
    const [method, url] = validRequest(operation)
    const headers = `X: ${'x'.repeat(limits.header_bytes)}\r\n`
    const { status, body } = await send(method, url, lastRequest(method, url, headers))
    t.equal(status, 431, `${method} ${url}`)
    t.equal(body.detail, `Request line and headers together may have at most ${limits.header_bytes} bytes.`)
  }
})

t.test('a request that does not arrive completely returns 408', async t => {
  await Promise.all(
    operations.map(async operation => {
      const [method, url] = validRequest(operation)
      const hasBody = operation.requestBody !== undefined
      const half = hasBody
        ? lastRequest(method, url, jsonHeaders(100), '{"title":')
        : `${method} ${url} HTTP/1.1\r\nHost: lo`
      const { status, body } = await impatient.send(method, url, half)
      t.equal(status, 408, `${method} ${url}, cut off in ${hasBody ? 'the body' : 'the headers'}`)
      t.equal(body.code, 'request_timeout')
    }),
  )
})

t.test('bytes that are not valid HTTP return 400', async t => {
  const lines = [
    'hello\r\n\r\n',
    'GET /health HTTP/9.9\r\n\r\n',
    'GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'GET /health HTTP/1.1\r\nBad Header\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ]
  for (const bytes of lines) {
    const { status, body } = await send('GET', '/unparsed', bytes)
    t.equal(status, 400, bytes)
    t.equal(body.code, 'malformed_request')
  }
  const noHost = await send('GET', '/health', 'GET /health HTTP/1.1\r\n\r\n')
  t.equal(noHost.status, 400)
  t.equal(noHost.body.detail, 'HTTP/1.1 requests need a Host header.')
  t.equal((await send('GET', '/health', 'GET /health HTTP/1.0\r\n\r\n')).status, 200, 'HTTP/1.0 needs no Host header')
})

t.test('an unsupported version of HTTP and a repeated Host header return 400', async t => {
  for (const version of ['2.0', '0.9']) {
    const { status, body } = await send('GET', '/health/live', `GET /health/live HTTP/${version}\r\nHost: x\r\n\r\n`)
    t.equal(status, 400, version)
    t.equal(body.code, 'malformed_request')
    t.equal(body.detail, 'Only HTTP/1.1 and HTTP/1.0 are supported.')
  }
  for (const headers of ['Host: x\r\nHost: y', 'host: x\r\nHOST: x', 'Host: x\r\nX: y\r\nhost:']) {
    for (const path of ['/health/live', '/docs', '/nowhere']) {
      const bytes = `GET ${path} HTTP/1.1\r\nConnection: close\r\n${headers}\r\n\r\n`
      const { status, body } = await send('GET', '/unparsed', bytes)
      t.equal(status, 400, `${path} ${headers}`)
      t.equal(body.detail, 'The Host header must not be repeated.')
    }
  }
  const { status } = await send('GET', '/health/live', lastRequest('GET', '/health/live', 'X-Y: Host\r\nX-Y: Host\r\n'))
  t.equal(status, 200, 'a header whose value is Host is not a Host header')
})

t.test('each request of a connection gets exactly one response, whatever bytes follow it', async t => {
  const user = await service.newUser()
  const path = user.path('createTask')
  const post = request('POST', path, jsonHeaders(13), '{"title":"T"}')
  const afterResponse = async (bytes: string, more: string, to = port) => {
    const socket = createConnection(to, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(bytes)
    await once(socket, 'data')
    socket.write(more)
    return text(socket)
  }
  const statuses = async (bytes: string, to = port) => statusesOf(await conversation(to, bytes))

  t.same(await statuses(`${post}nonsense\r\n\r\n`), [201], 'the write gets its own response, not 400')
  t.equal((await user.listTasks()).data.length, 1)
  t.match(await afterResponse(post, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /, 'invalid bytes after a response get 400')

  const chunked = (method: string) =>
    request(method, path, 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n')
  t.same(await statuses(`${chunked('POST')}nonsense\r\n`), [400], 'an invalid body gets 400')
  // Its connection is closed by the request timeout.
  const rest = await afterResponse(chunked('DELETE'), 'nonsense\r\n', impatient.port)
  t.equal(rest, '', 'but not if the request already got a response')

  const slow = request('GET', path)
  const connect = 'CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n'
  t.notMatch(await conversation(port, slow + connect), / 405 /, 'a CONNECT behind a request gets no response')
  const invalid = `${chunked('POST')}nonsense\r\n`
  t.same(await statuses(post + invalid), [201], 'an invalid body behind a request gets no response')

  const refused = request('PUT', path, jsonHeaders(13), '{"title":')
  t.same(await statuses(refused, impatient.port), [405], 'a refused request whose body never arrives gets no 408')
})

t.test('a response has the request id of the client, or a new one', async t => {
  const { send } = await service.newUser()
  const live = (id: string) => send.getLiveness({ header: { 'x-request-id': id } })
  const given = await live('my-id/1?#%')
  t.equal(given.headers.get('x-request-id'), 'my-id/1?#%')
  const made = await send.getLiveness()
  t.match(made.headers.get('x-request-id'), /^[0-9a-f-]{36}$/)
  const problem = await call('GET', '/nowhere', undefined, { 'x-request-id': 'my-id/1?#%' })
  t.equal(problem.body.instance, `/requests/${encodeURIComponent('my-id/1?#%')}`)
  const longest = await live('x'.repeat(128))
  t.equal(longest.headers.get('x-request-id'), 'x'.repeat(128))
  for (const id of ['x'.repeat(129), 'two words', 'é', '']) {
    const replaced = await live(id)
    t.equal(replaced.status, 200, id)
    t.match(replaced.headers.get('x-request-id'), /^[0-9a-f-]{36}$/, 'an invalid id is replaced by a new one')
  }
})

t.test('an invalid request on one connection does not affect others', async t => {
  const other = await service.newUser()
  const answers = await Promise.all([
    send('GET', '/unparsed', 'nonsense\r\n\r\n'),
    ...Array.from({ length: 5 }, () => other.send.getHealth()),
  ])
  t.same(
    answers.map(({ status }) => status),
    [400, 200, 200, 200, 200, 200],
  )
})
