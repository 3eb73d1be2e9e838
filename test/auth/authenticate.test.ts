/** Which requests are authenticated and authorized: every operation with every kind of token. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { randomUser, silent, startService } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { lastRequest } from '../support/bytes.ts'
import { bearer, secret } from '../support/issuer.ts'

const secured = operations.filter(({ path }) => path.includes('{user_id}'))
const INVALID = 'Bearer error="invalid_token"'

const service = await startService({ authenticate: createAuthenticate({ secret }, silent) })
t.teardown(() => service[Symbol.asyncDispose]())
const { call, send, origin } = service

t.test('the contract requires a token for every operation with a user id, and for no other', async t => {
  t.ok(secured.length > 0)
  for (const operation of operations) {
    t.equal(operation.security.length > 0, secured.includes(operation), operation.operationId)
  }
})

t.test('every operation with a missing or invalid token returns 401', async t => {
  await using service = await startService({ authenticate: createAuthenticate({ secret, audience: 'tasks' }, silent) })
  const { call } = service
  const user = randomUser()
  const own = { aud: 'tasks' }
  const now = Math.floor(Date.now() / 1000)
  const { authorization } = await bearer(user, own)
  const [head, claims, signature] = authorization.slice('Bearer '.length).split('.') as [string, string, string]
  const unsigned = Buffer.from('{"alg":"none"}').toString('base64url')
  const refused: [why: string, challenge: string, header: Record<string, string>][] = [
    ['no token', 'Bearer', {}],
    ['another scheme', 'Bearer', { authorization: 'Basic YTpi' }],
    ['an empty token', 'Bearer', { authorization: 'Bearer ' }],
    ['two tokens', 'Bearer', { authorization: `${authorization}, ${authorization}` }],
    ['a character that no token may have', 'Bearer', { authorization: 'Bearer a\u00e9' }],
    ['not a JWT', INVALID, { authorization: 'Bearer abc' }],
    ['no signature', INVALID, { authorization: `Bearer ${unsigned}.${claims}.` }],
    [
      'another signature',
      INVALID,
      { authorization: `Bearer ${head}.${claims}.${signature.split('').reverse().join('')}` },
    ],
    ['another secret', INVALID, await bearer(user, own, 'another secret of thirty-two bytes')],
    ['another audience', INVALID, await bearer(user, { aud: 'others' })],
    ['no audience', INVALID, await bearer(user)],
    ['expired', INVALID, await bearer(user, { ...own, exp: now - 60 })],
    ['not valid yet', INVALID, await bearer(user, { ...own, nbf: now + 60 })],
    ['no expiry', INVALID, await bearer(user, { ...own, exp: null })],
    ['no subject', INVALID, await bearer(user, { ...own, sub: null })],
    ['a subject that is not a string', INVALID, await bearer(user, { ...own, sub: 7 })],
    ['another type of token', INVALID, await bearer(user, own, secret, { typ: 'logout+jwt' })],
  ]
  for (const operation of secured) {
    for (const [why, challenge, header] of refused) {
      const [method, path, body] = validRequest(operation, user)
      const answer = await call(method, path, body, header)
      t.equal(answer.status, 401, `${operation.operationId}: ${why}`)
      t.equal(answer.body.code, 'unauthenticated')
      t.equal(answer.headers.get('www-authenticate'), challenge, why)
    }
    const [method, path, body] = validRequest(operation, user)
    t.not(
      (await call(method, path, body, { authorization })).status,
      401,
      `${operation.operationId} with a valid token`,
    )
  }
  const { send, path } = await service.newUser({ id: user })
  const lower = authorization.replace('Bearer', 'bearer')
  t.equal((await send.listTasks({ header: { authorization: lower } })).status, 200, 'RFC 9110, 11.1')
  t.equal((await call('HEAD', path('listTasks'))).status, 401)
})

t.test('an invalid request without a token returns 401 and reveals nothing else', async t => {
  const user = await service.newUser()
  t.equal((await user.send.listTasks({ query: { limit: 0 } })).status, 401)
  t.equal((await user.send.listTasks({ header: { accept: 'text/html' } })).status, 401)
  const path = user.path('createTask')
  const bytes = lastRequest('POST', path, 'Content-Length: 999999\r\n')
  t.equal((await send('POST', path, bytes)).status, 401, 'without waiting for the body')
})

t.test('health, the contract and the reference need no token', async t => {
  const user = await service.newUser()
  t.equal((await user.send.getHealth()).status, 200)
  t.equal((await user.send.getLiveness()).status, 200)
  for (const path of ['/openapi.yaml', '/openapi.json', '/docs']) {
    t.equal((await fetch(origin + path)).status, 200, path)
  }
  t.equal((await call('GET', '/nowhere')).status, 404)
  t.equal((await call('PUT', '/api/a/tasks')).status, 405)
})

t.test('a token for another user returns 403 for every operation and spelling of the user id', async t => {
  const owner = await service.newUser({ id: `Alice.${randomUUID()}`, header: bearer })
  const alice = owner.id
  const hers = await bearer(alice)
  const task = await owner.createTask({ title: 'Hers alone' })
  const mallory = await bearer(`mallory-${randomUUID()}`)

  const spellings: [why: string, user: string, status: number][] = [
    ['unchanged', alice, 403],
    ['encoded', `%41${alice.slice(1)}`, 403],
    ['encoded twice', `%2541${alice.slice(1)}`, 403],
    ['in another case', alice.toLowerCase(), 403],
    ['with NUL', `${alice}%00`, 403],
    ['with a slash', `${alice}%2F`, 403],
    ['with a dot segment', `x%2F..%2F${alice}`, 403],
    ['with a space', `${alice}%20`, 403],
    ['a look-alike', encodeURIComponent(alice.replace('A', 'А')), 403],
    ['in full-width letters', encodeURIComponent(alice.replace('A', 'Ａ')), 403],
  ]
  for (const operation of secured) {
    for (const [why, user, status] of spellings) {
      const bodies = []
      for (const id of [task.id, task.id.toUpperCase(), randomUUID()]) {
        const [method, path, body] = validRequest(operation, alice, { id })
        const answer = await call(method, path.replaceAll(alice, user), body, mallory)
        t.equal(answer.status, status, `${operation.operationId} ${why}`)
        t.notMatch(answer.text, /Hers alone/)
        bodies.push({ ...answer.body, instance: null })
      }
      t.same(bodies[0], bodies[2], 'the response does not reveal whether a task exists')
    }
    // The owner herself, with a user id that is almost hers.
    for (const [why, user] of spellings.filter(([why]) => !['unchanged', 'encoded'].includes(why))) {
      const [method, path, body] = validRequest(operation, alice, { id: task.id })
      const { status } = await call(method, path.replaceAll(alice, user), body, hers)
      t.equal(status, 403, `${operation.operationId} ${why}, by the owner`)
    }
  }
  for (const path of [
    `/api/${alice}/tasks/`,
    `/api/${alice}//tasks`,
    `//api/${alice}/tasks`,
    `/api/x/../${alice}/tasks`,
  ]) {
    const bytes = lastRequest('GET', path, `Authorization: ${mallory.authorization}\r\n`)
    const { status } = await send('GET', path, bytes)
    t.ok(status === 403 || status === 404, `${path} is ${status}`)
  }
  t.same((await owner.listTasks()).data, [task], 'nothing was changed or added')
  const encoded = owner.path('getTask', task.id).replace(alice, `%41${alice.slice(1)}`)
  t.same((await call('GET', encoded, undefined, hers)).body, task, 'the owner may percent-encode any character')
})

t.test('a token whose type is not that of an access token is refused', async t => {
  const accepted = async (tokenType: string | undefined, typ: unknown) => {
    const authenticate = createAuthenticate({ secret, tokenType }, silent)
    const { authorization } = await bearer('alice', {}, secret, { typ })
    const user = await Promise.resolve(authenticate(authorization)).catch(({ code }) => code)
    t.ok(user === 'alice' || user === 'unauthenticated')
    return user === 'alice'
  }
  const rfc9068 = ['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/at+JWT']
  const general = [undefined, 'JWT', 'jwt', 'application/jwt']
  const others = [
    'dpop+jwt',
    'logout+jwt',
    'secevent+jwt',
    'id_token+jwt',
    'x+at+jwt',
    'at+jwt+x',
    'JWE',
    '',
    null,
    7,
    ['JWT'],
  ]
  for (const typ of [...rfc9068, ...general])
    t.equal(await accepted(undefined, typ), true, `any type is allowed, this one is ${typ}`)
  for (const typ of others) t.equal(await accepted(undefined, typ), false, `any type is allowed, this one is ${typ}`)
  for (const type of ['at+jwt', 'application/at+jwt']) {
    for (const typ of rfc9068) t.equal(await accepted(type, typ), true, `${type} is required, this one is ${typ}`)
    for (const typ of [...general, ...others])
      t.equal(await accepted(type, typ), false, `${type} is required, this one is ${typ}`)
  }
})
