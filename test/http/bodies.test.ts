/** Request bodies: media types, size and framing. */
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { invalid } from '../../scripts/support/client.ts'
import { contract, operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { startService } from '../../scripts/support/service.ts'
import { conversation } from '../../scripts/support/socket.ts'
import { jsonHeaders, lastRequest, statusesOf } from '../support/bytes.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { port, send } = service
const limits = contract.document['x-limits']

t.test('a media type or content coding that the operation does not accept returns 415', async t => {
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
      const answer = await send(method, url, lastRequest(method, url, `${header}Content-Length: 2\r\n`, '{}'))
      if (requestBody === undefined) {
        t.ok([400, 415].includes(answer.status), `${method} ${url} takes no body, of type ${type} or any other`)
        continue
      }
      t.equal(answer.status, 415, `${method} ${url} ${type}`)
      t.equal(answer.headers.get(method === 'PATCH' ? 'accept-patch' : 'accept'), taken.join(', '))
    }
  }
  const gzipped = gzipSync('{"title":"T"}').toString('latin1')
  const headers = `Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${gzipped.length}\r\n`
  const path = (await service.newUser()).path('createTask')
  t.equal((await send('POST', path, lastRequest('POST', path, headers, gzipped))).status, 415)
})

t.test('a media type with parameters or in upper case is accepted', async t => {
  const user = await service.newUser()
  const types = [
    'application/json; charset=utf-8',
    'Application/JSON',
    'application/json;x=y',
    'application/json;charset=utf-16',
  ]
  for (const type of types) {
    const header = { 'content-type': type }
    t.equal((await user.send.createTask({ title: 'T' }, { header })).status, 201, type)
  }
})

t.test('a body over the limit returns 413, whether its length is declared or not', async t => {
  for (const operation of operations.filter(({ responses }) => responses['413'] !== undefined)) {
    const { 'x-body-bytes': most = limits.body_bytes } = operation
    const [method, url] = validRequest(operation)
    const { status, body } = await send(method, url, lastRequest(method, url, jsonHeaders(most + 1)))
    t.equal(status, 413, `${method} ${url}`)
    t.equal(body.detail, `A body may have at most ${most} bytes.`)
  }
  const user = await service.newUser()
  const path = user.path('createTask')
  const size = limits.body_bytes + 1
  const chunk = `${size.toString(16)}\r\n${' '.repeat(size)}\r\n0\r\n\r\n`
  const headers = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n'
  t.equal((await send('POST', path, lastRequest('POST', path, headers, chunk))).status, 413)
  const fitting = JSON.stringify({ title: 'T' }).padEnd(limits.body_bytes)
  t.equal((await user.send.createTask(invalid(fitting))).status, 201, 'a body of exactly the limit is accepted')
})

t.test('a body longer than its Content-Length returns 400 and creates nothing', async t => {
  const user = await service.newUser()
  const path = user.path('createTask')
  const json = '{"title":"T"}'
  t.equal((await send('POST', path, lastRequest('POST', path, jsonHeaders(json.length - 1), json))).status, 400)
  t.same((await user.listTasks()).data, [])
})

t.test('Expect: 100-continue is honoured, and any other expectation is ignored', async t => {
  const path = (await service.newUser()).path('createTask')
  const json = '{"title":"T"}'
  for (const expectation of ['100-continue', '200-ok']) {
    const headers = `Expect: ${expectation}\r\n${jsonHeaders(json.length)}`
    t.equal((await send('POST', path, lastRequest('POST', path, headers, json))).status, 201, expectation)
  }
})

/** The status of the same request as HEAD, whose response has no body. */
const statusOfHead = async (bytes: string) => statusesOf(await conversation(port, bytes.replace('GET', 'HEAD')))[0]

t.test('a body for an operation that takes none returns 400', async t => {
  for (const operation of operations) {
    if (operation.requestBody !== undefined) continue
    const [method, url] = validRequest(operation)
    const chunked = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n'
    const bodies = [
      lastRequest(method, url, jsonHeaders(2), '{}'),
      lastRequest(method, url, chunked, '2\r\n{}\r\n0\r\n\r\n'),
    ]
    for (const bytes of bodies) {
      const { status, body } = await send(method, url, bytes)
      t.equal(status, 400, `${method} ${url}`)
      t.match(body.errors, [{ in: 'body', pointer: '', code: 'unexpected_body' }])
      if (method === 'GET') t.equal(await statusOfHead(bytes), 400, `HEAD ${url}`)
    }
  }
})
