/** Which paths, methods and media types a request may ask for. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { METHODS } from 'node:http'
import t from 'tap'
import { contract, operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { startService } from '../../scripts/support/service.ts'
import { openConnection } from '../../scripts/support/socket.ts'
import type { Operation } from '../../src/contract/load.ts'
import { lastRequest } from '../support/bytes.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, send, origin, port } = service
const limits = contract.document['x-limits']
const concrete = (operation: Operation) => validRequest(operation)[1].split('?', 1)[0] as string

t.test('HEAD on every path that has GET returns the same headers without a body', async t => {
  const user = await service.newUser()
  const { id } = await user.createTask({ title: 'A task' })
  const reads = operations.filter(({ method }) => method === 'get')
  const paths = reads.map(operation => validRequest(operation, user.id, { id })[1])
  for (const path of [...paths, '/openapi.yaml', '/openapi.json']) {
    // Otherwise large documents are compressed, and their Content-Length is not that of the text.
    const headers = { 'accept-encoding': 'identity' }
    const get = await fetch(origin + path, { headers })
    const head = await fetch(origin + path, { method: 'HEAD', headers })
    t.equal(head.status, 200, path)
    t.equal(head.headers.get('content-length'), `${Buffer.byteLength(await get.text())}`)
    for (const name of ['content-type', 'etag']) t.equal(head.headers.get(name), get.headers.get(name))
    t.equal(await head.text(), '')
  }
  t.equal((await call('HEAD', user.path('getTask', randomUUID()))).status, 404)
})

t.test('any other method on a known path returns 405 with the allowed methods', async t => {
  const pages = ['/', '/docs', '/docs/', '/docs/json', '/docs/yaml', '/docs/reference.js']
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
      const { status, headers, body } = await send(method, url, lastRequest(method, url, 'Content-Length: 2\r\n', '<>'))
      t.equal(status, 405, `${method} ${url}`)
      t.equal(headers.get('allow'), allowed.toSorted().join(', '))
      if (method !== 'HEAD') t.equal(body.code, 'method_not_allowed')
    }
  }
})

t.test('CONNECT returns 405 and an unknown method returns 400', async t => {
  const user = await service.newUser()
  const connect = await send('CONNECT', 'x:1', 'CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n')
  t.equal(connect.status, 405)
  for (let round = 0; round < 20; round++) {
    const socket = await openConnection(port)
    socket.write('CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n')
    socket.resetAndDestroy()
    await once(socket, 'close')
  }
  t.equal((await user.send.getLiveness()).status, 200, 'the service survives a reset after CONNECT')
  const unknown = await send('BREW', '/health', lastRequest('BREW', '/health'))
  t.equal(unknown.status, 400)
  t.equal(unknown.body.code, 'malformed_request')
})

t.test('a path that the contract does not declare returns 404', async t => {
  for (const path of [
    '/api',
    '/tasks',
    '/api/a/tasks/b/c/d',
    '/Health',
    '/health/',
    '//health',
    '/docs/nothing.js',
    '/docs/%00',
    '/docs/%2e%2e/x',
    `/api%2Fa/tasks`,
    '/API/a/tasks',
  ]) {
    const { status, body } = await send('GET', path, lastRequest('GET', path))
    t.equal(status, 404, path)
    t.equal(body.code, 'route_not_found')
  }
  const bodies: [headers: string, body: string][] = [
    ['Content-Type: text/plain\r\nContent-Length: 4\r\n', 'text'],
    ['Content-Type: no type\r\nContent-Length: 4\r\n', 'text'],
    [`Content-Length: ${limits.body_bytes + 1}\r\n`, ''],
  ]
  for (const [headers, body] of bodies) {
    const bytes = lastRequest('POST', '/nowhere', headers, body)
    t.equal((await send('POST', '/nowhere', bytes)).status, 404, 'without waiting for the body, whatever it is')
  }
})

t.test('a path that is not percent-encoded UTF-8 returns 400 with the request id', async t => {
  const { status, body, headers } = await call('GET', '/%', undefined, { 'x-request-id': 'bad-url' })
  t.equal(status, 400)
  t.equal(body.code, 'malformed_request')
  t.equal(body.instance, '/requests/bad-url')
  t.equal(headers.get('x-request-id'), 'bad-url')
})

t.test('Accept without application/json returns 406', async t => {
  for (const operation of operations.filter(({ responses }) => responses['406'] !== undefined)) {
    const [method, path, content] = validRequest(operation)
    for (const accept of ['text/html', 'application/json;q=0', 'image/*, application/problem+json']) {
      const { status, body } = await call(method, path, content, { accept })
      t.equal(status, 406, `${method} ${path} ${accept}`)
      t.equal(body.detail, 'This operation returns application/json.')
    }
  }
  const user = await service.newUser()
  for (const accept of [
    '*/*',
    'application/*',
    'text/html, application/json;q=0.1',
    'text/html, */*;q=0.1',
    'APPLICATION/JSON',
  ]) {
    t.equal((await user.send.getLiveness({ header: { accept } })).status, 200, accept)
  }
})
