/** Without authentication only requests for a loopback host are served. */
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { silent, startService } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { secret } from '../support/issuer.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { send } = service

const request = (method: string, target: string, host: string) =>
  `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`

t.test('without authentication every request for a host that is not loopback returns 421', async t => {
  for (const operation of operations) {
    const [method, path] = validRequest(operation)
    const { status, body } = await send(method, path, request(method, path, 'evil.example'))
    t.equal(status, 421, operation.operationId)
    t.equal(body.code, 'misdirected_request')
  }
  for (const path of ['/openapi.yaml', '/openapi.json', '/docs', '/', '/nowhere']) {
    t.equal((await send('GET', path, request('GET', path, 'evil.example'))).status, 421, path)
  }
  const hosts = [
    'evil.example:3000',
    'localhost.evil.example',
    '127.evil.example',
    '[::2]',
    'localhost:x',
    '10.0.0.1',
    '',
  ]
  for (const host of hosts) {
    t.equal((await send('GET', '/health', request('GET', '/health', host))).status, 421, host)
  }
})

t.test('an absolute request target for another host returns 421, whatever the Host header says', async t => {
  const ask = async (target: string, host: string) =>
    (await send('GET', '/health/live', request('GET', `${target}/health/live`, host))).status
  t.equal(await ask('http://localhost:3000', 'localhost'), 200)
  t.equal(await ask('http://evil.example', 'localhost'), 421)
  t.equal(await ask('HTTP://evil.example', 'localhost'), 421)
  t.equal(await ask('http://localhost@evil.example', 'localhost'), 421)
  t.equal(await ask('http://localhost', 'evil.example'), 421)
})

t.test('every loopback name and address is served, with any port', async t => {
  for (const name of ['localhost', 'LOCALHOST', '127.0.0.1', '127.8.9.10', '[::1]']) {
    for (const host of [name, `${name}:3000`]) {
      t.equal((await send('GET', '/health/live', request('GET', '/health/live', host))).status, 200, host)
    }
  }
  const noHost = 'GET /health/live HTTP/1.0\r\n\r\n'
  t.equal((await send('GET', '/health/live', noHost)).status, 200, 'HTTP/1.0 without a Host header')
})

t.test('with authentication every host is served', async t => {
  await using service = await startService({ authenticate: createAuthenticate({ secret }, silent) })
  const { send } = service
  t.equal((await send('GET', '/health/live', request('GET', '/health/live', 'tasks.example'))).status, 200)
})
