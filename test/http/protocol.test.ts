/** HTTP itself: methods, negotiation, limits, and requests that are none. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { METHODS } from 'node:http'
import { createConnection } from 'node:net'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { contract, operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { type Answer, client, randomUser, startService } from '../../scripts/support/service.ts'
import { conversation } from '../../scripts/support/socket.ts'
import type { Operation } from '../../src/contract/load.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, send, create, origin, port } = service
const limits = contract.document['x-limits']
const concrete = (operation: Operation) => validRequest(operation)[1].split('?', 1)[0] as string
const request = (method: string, path: string, headers = '', body = '') =>
  `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n${body}`

t.test('HEAD works wherever GET does, without the body', async t => {
  const user = randomUser()
  const { id } = await create(user)
  const reads = operations.filter(({ method }) => method === 'get')
  const paths = reads.map(operation => validRequest(operation, user, { id })[1])
  for (const path of [...paths, '/openapi.yaml', '/openapi.json']) {
    const get = await fetch(origin + path)
    const head = await fetch(origin + path, { method: 'HEAD' })
    t.equal(head.status, 200, path)
    t.equal(head.headers.get('content-length'), `${Buffer.byteLength(await get.text())}`)
    for (const name of ['content-type', 'etag']) t.equal(head.headers.get(name), get.headers.get(name))
    t.equal(await head.text(), '')
  }
  t.equal((await call('HEAD', `/api/${user}/tasks/${randomUUID()}`)).status, 404)
})

t.test('every other method on a known path is 405 and names those that work', async t => {
  const pages = ['/', '/docs', '/docs/', '/docs/json', '/docs/static/index.html', '/docs/static/swagger-ui.css']
  const allowedAt = new Map(
    ['/openapi.yaml', '/openapi.json', '/openapi-3.0.yaml', ...pages].map(path => [path, ['GET']]),
  )
  for (const siblings of Map.groupBy(operations, ({ path }) => path).values()) {
    const allowed = siblings.map(({ method }) => method.toUpperCase())
    allowedAt.set(concrete(siblings[0] as Operation), allowed)
  }
  for (const [url, allowed] of allowedAt) {
    if (allowed.includes('GET')) allowed.push('HEAD')
    for (const method of METHODS.filter(method => method !== 'CONNECT' && !allowed.includes(method))) {
      const { status, headers, body } = await send(method, url, request(method, url, 'Content-Length: 2\r\n', '<>'))
      t.equal(status, 405, `${method} ${url}`)
      t.equal(headers.get('allow'), allowed.toSorted().join(', '))
      if (method !== 'HEAD') t.equal(body.code, 'method_not_allowed')
    }
  }
})

t.test('CONNECT and methods that do not exist', async t => {
  const connect = await send('CONNECT', 'x:1', 'CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n')
  t.equal(connect.status, 405)
  for (let round = 0; round < 20; round++) {
    const socket = createConnection(port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.write('CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n')
    socket.resetAndDestroy()
    await once(socket, 'close')
  }
  t.equal((await call('GET', '/health/live')).status, 200, 'a reset after CONNECT does no harm')
  const unknown = await send('BREW', '/health', request('BREW', '/health'))
  t.equal(unknown.status, 400)
  t.equal(unknown.body.code, 'malformed_request')
})

t.test('paths that the contract does not name are 404', async t => {
  for (const path of [
    '/api',
    '/tasks',
    '/api/a/tasks/b/c/d',
    '/Health',
    '/health/',
    '//health',
    '/docs/static/nothing.js',
    '/docs/static/%00',
    '/docs/static/%2e%2e/x',
    `/api%2Fa/tasks`,
    '/API/a/tasks',
  ]) {
    const { status, body } = await send('GET', path, request('GET', path))
    t.equal(status, 404, path)
    t.equal(body.code, 'route_not_found')
  }
  const bodies = [
    'Content-Type: text/plain\r\nContent-Length: 4\r\n\r\ntext',
    'Content-Type: no type\r\nContent-Length: 4\r\n\r\ntext',
    `Content-Length: ${limits.body_bytes + 1}\r\n\r\n`,
  ]
  for (const body of bodies) {
    const bytes = `POST /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${body}`
    t.equal((await send('POST', '/nowhere', bytes)).status, 404, 'whatever the body, which is not waited for')
  }
})

t.test('every path that is no percent-encoded UTF-8 is 400, logged and identified', async t => {
  const { status, body, headers } = await call('GET', '/%', undefined, { 'x-request-id': 'bad-url' })
  t.equal(status, 400)
  t.equal(body.code, 'malformed_request')
  t.equal(body.instance, '/requests/bad-url')
  t.equal(headers.get('x-request-id'), 'bad-url')
})

t.test('406 where the caller takes nothing that is offered', async t => {
  for (const operation of operations.filter(({ responses }) => responses['406'] !== undefined)) {
    const [method, path, content] = validRequest(operation)
    for (const accept of ['text/html', 'application/json;q=0', 'image/*, application/problem+json']) {
      const { status, body } = await call(method, path, content, { accept })
      t.equal(status, 406, `${method} ${path} ${accept}`)
      t.equal(body.detail, 'This operation returns application/json.')
    }
  }
  for (const accept of [
    '*/*',
    'application/*',
    'text/html, application/json;q=0.1',
    'text/html, */*;q=0.1',
    'APPLICATION/JSON',
  ]) {
    t.equal((await call('GET', '/health/live', undefined, { accept })).status, 200, accept)
  }
})

t.test('415 for media types and content codings that the operation does not take', async t => {
  for (const operation of operations.filter(({ responses }) => responses['415'] !== undefined)) {
    const { requestBody } = operation
    const [method, url] = validRequest(operation)
    const taken = Object.keys(requestBody?.content ?? {})
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/merge-patch+json',
      'application/jsonp',
      'json',
      '',
    ]
    for (const type of types.filter(type => !taken.includes(type))) {
      const header = type === '' ? '' : `Content-Type: ${type}\r\n`
      const answer = await send(method, url, request(method, url, `${header}Content-Length: 2\r\n`, '{}'))
      if (requestBody === undefined) {
        t.ok([400, 415].includes(answer.status), `${method} ${url} takes no body, ${type} or other`)
        continue
      }
      t.equal(answer.status, 415, `${method} ${url} ${type}`)
      t.equal(answer.headers.get(method === 'PATCH' ? 'accept-patch' : 'accept'), taken.join(', '))
    }
  }
  const gzipped = gzipSync('{"title":"T"}').toString('latin1')
  const headers = `Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${gzipped.length}\r\n`
  const path = `/api/${randomUser()}/tasks`
  t.equal((await send('POST', path, request('POST', path, headers, gzipped))).status, 415)
})

t.test('parameters of a media type are no obstacle', async t => {
  const path = `/api/${randomUser()}/tasks`
  const types = [
    'application/json; charset=utf-8',
    'Application/JSON',
    'application/json;x=y',
    'application/json;charset=utf-16',
  ]
  for (const type of types) {
    t.equal((await call('POST', path, '{"title":"T"}', { 'content-type': type })).status, 201, type)
  }
})

t.test('413 for a body over the limit, announced or not', async t => {
  for (const operation of operations.filter(({ responses }) => responses['413'] !== undefined)) {
    const { 'x-body-bytes': most = limits.body_bytes } = operation
    const [method, url] = validRequest(operation)
    const headers = `Content-Type: application/json\r\nContent-Length: ${most + 1}\r\n`
    const { status, body } = await send(method, url, request(method, url, headers))
    t.equal(status, 413, `${method} ${url}`)
    t.equal(body.detail, `A body may have at most ${most} bytes.`)
  }
  const path = `/api/${randomUser()}/tasks`
  const size = limits.body_bytes + 1
  const chunk = `${size.toString(16)}\r\n${' '.repeat(size)}\r\n0\r\n\r\n`
  const headers = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n'
  t.equal((await send('POST', path, request('POST', path, headers, chunk))).status, 413)
  const fitting = JSON.stringify({ title: 'T' }).padEnd(limits.body_bytes)
  t.equal(
    (await call('POST', path, fitting, { 'content-type': 'application/json' })).status,
    201,
    'the limit itself fits',
  )
})

t.test('431 for headers over the limit', async t => {
  for (const operation of operations) {
    const [method, url] = validRequest(operation)
    const headers = `X: ${'x'.repeat(limits.header_bytes)}\r\n`
    const { status, body } = await send(method, url, request(method, url, headers))
    t.equal(status, 431, `${method} ${url}`)
    t.equal(body.detail, `Request line and headers together may have at most ${limits.header_bytes} bytes.`)
  }
})

t.test('408 for a request that does not arrive whole', async t => {
  await using impatient = await startService({ requestTimeout: 300 })
  await Promise.all(
    operations.map(async operation => {
      const [method, url] = validRequest(operation)
      const hasBody = operation.requestBody !== undefined
      const headers = 'Content-Type: application/json\r\nContent-Length: 100\r\n'
      const half = hasBody ? request(method, url, headers, '{"title":') : `${method} ${url} HTTP/1.1\r\nHost: lo`
      const { status, body } = await impatient.send(method, url, half)
      t.equal(status, 408, `${method} ${url}, cut in ${hasBody ? 'the body' : 'the headers'}`)
      t.equal(body.code, 'request_timeout')
    }),
  )
})

t.test('what is not HTTP is 400', async t => {
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
  t.equal((await send('GET', '/health', 'GET /health HTTP/1.0\r\n\r\n')).status, 200, 'HTTP/1.0 needs none')
})

t.test('versions of HTTP that are not spoken here, and two Host headers, are 400', async t => {
  for (const version of ['2.0', '0.9']) {
    const { status, body } = await send('GET', '/health/live', `GET /health/live HTTP/${version}\r\nHost: x\r\n\r\n`)
    t.equal(status, 400, version)
    t.equal(body.code, 'malformed_request')
    t.equal(body.detail, 'Only HTTP/1.1 and HTTP/1.0 are spoken here.')
  }
  for (const headers of ['Host: x\r\nHost: y', 'host: x\r\nHOST: x', 'Host: x\r\nX: y\r\nhost:']) {
    for (const path of ['/health/live', '/docs', '/nowhere']) {
      const bytes = `GET ${path} HTTP/1.1\r\nConnection: close\r\n${headers}\r\n\r\n`
      const { status, body } = await send('GET', '/unparsed', bytes)
      t.equal(status, 400, `${path} ${headers}`)
      t.equal(body.detail, 'The Host header must not be repeated.')
    }
  }
  const { status } = await send('GET', '/health/live', request('GET', '/health/live', 'X-Y: Host\r\nX-Y: Host\r\n'))
  t.equal(status, 200, 'a value that reads Host is none')
})

t.test('a body that is shorter or longer than announced never becomes a task', async t => {
  const user = randomUser()
  const path = `/api/${user}/tasks`
  const json = '{"title":"T"}'
  const headers = `Content-Type: application/json\r\nContent-Length: ${json.length - 1}\r\n`
  t.equal((await send('POST', path, request('POST', path, headers, json))).status, 400)
  t.same((await call('GET', path)).body.data, [])
})

t.test('expectations: 100-continue is met, others are ignored', async t => {
  const path = `/api/${randomUser()}/tasks`
  const json = '{"title":"T"}'
  for (const expectation of ['100-continue', '200-ok']) {
    const headers = `Expect: ${expectation}\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n`
    t.equal((await send('POST', path, request('POST', path, headers, json))).status, 201, expectation)
  }
})

t.test('a body where none belongs is refused', async t => {
  for (const operation of operations) {
    if (operation.requestBody !== undefined) continue
    const [method, url] = validRequest(operation)
    const framings = ['Content-Length: 2\r\n\r\n{}', 'Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n']
    for (const framing of framings) {
      const start = `${method} ${url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n`
      const { status, body } = await send(method, url, start + framing)
      t.equal(status, 400, `${method} ${url}`)
      t.match(body.errors, [{ in: 'body', pointer: '', code: 'unexpected_body' }])
    }
  }
})

t.test('one answer for each request of a connection, whatever follows it', async t => {
  const user = randomUser()
  const path = `/api/${user}/tasks`
  const post = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"title":"T"}`
  const afterAnswer = async (bytes: string, more: string) => {
    const socket = createConnection(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(bytes)
    await once(socket, 'data')
    socket.write(more)
    return text(socket)
  }
  const statuses = async (bytes: string, to = port) =>
    [...(await conversation(to, bytes)).matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status))

  t.same(await statuses(`${post}nonsense\r\n\r\n`), [201], 'a stored task is not answered with 400')
  t.equal((await call('GET', path)).body.data.length, 1)
  t.match(await afterAnswer(post, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /, 'nonsense after the answer has its own')

  const chunked = post.replace(/Content-Length[\s\S]*/, 'Transfer-Encoding: chunked\r\n\r\n')
  t.same(await statuses(`${chunked}nonsense\r\n`), [400], 'nonsense in the body is the answer to it')
  t.equal(await afterAnswer(chunked.replace('POST', 'DELETE'), 'nonsense\r\n'), '', 'unless there is one')

  const slow = post.replace('POST', 'GET').replace(/Content-Type[\s\S]*/, '\r\n')
  t.notMatch(await conversation(port, `${slow}CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n`), / 405 /, 'nor is CONNECT')
  t.same(await statuses(`${post}${chunked}nonsense\r\n`), [201], 'and never to the request before it')

  await using impatient = await startService({ requestTimeout: 300 })
  const refused = post.replace('POST', 'PUT').replace('"T"}', '')
  t.same(await statuses(refused, impatient.port), [405], 'a body that never comes is not answered with 408 as well')
})

t.test('the request id comes back, or is made', async t => {
  const given = await call('GET', '/health/live', undefined, { 'x-request-id': 'my-id/1?#%' })
  t.equal(given.headers.get('x-request-id'), 'my-id/1?#%')
  const made = await call('GET', '/health/live')
  t.match(made.headers.get('x-request-id'), /^[0-9a-f-]{36}$/)
  const problem = await call('GET', '/nowhere', undefined, { 'x-request-id': 'my-id/1?#%' })
  t.equal(problem.body.instance, `/requests/${encodeURIComponent('my-id/1?#%')}`)
  const tooLong = await call('GET', '/health/live', undefined, { 'x-request-id': 'x'.repeat(129) })
  t.equal(tooLong.status, 400)
  t.match(tooLong.headers.get('x-request-id'), /^[0-9a-f-]{36}$/, 'a refused id is not repeated')
})

t.test('bad requests on one connection do not disturb another', async t => {
  const other = client(origin)
  const answers: Answer[] = await Promise.all([
    send('GET', '/unparsed', 'nonsense\r\n\r\n'),
    ...Array.from({ length: 5 }, () => other.call('GET', '/health')),
  ])
  t.same(
    answers.map(({ status }) => status),
    [400, 200, 200, 200, 200, 200],
  )
})
