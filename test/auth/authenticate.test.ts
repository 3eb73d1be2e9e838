/** Who may: every operation with every kind of token, for one's own tasks and for others'. */
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { randomUser, silent, startService } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { bearer, secret, startIssuer } from '../support/issuer.ts'

const secured = operations.filter(({ path }) => path.includes('{user_id}'))
const INVALID = 'Bearer error="invalid_token"'

const withSecret = (more = {}) => startService({ authenticate: createAuthenticate({ secret, ...more }, silent) })

t.test('the contract secures every operation on tasks, and no other', async t => {
  t.ok(secured.length > 0)
  for (const operation of operations)
    t.equal(operation.security.length > 0, secured.includes(operation), operation.operationId)
})

t.test('without a token, or with none that is valid, everything is 401', async t => {
  await using service = await withSecret({ audience: 'tasks' })
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
    ['a character that no token has', 'Bearer', { authorization: 'Bearer a\u00e9' }],
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
    ['too old', INVALID, await bearer(user, { ...own, exp: now - 60 })],
    ['too early', INVALID, await bearer(user, { ...own, nbf: now + 60 })],
    ['no end', INVALID, await bearer(user, { ...own, exp: null })],
    ['no user', INVALID, await bearer(user, { ...own, sub: null })],
    ['a user that is no text', INVALID, await bearer(user, { ...own, sub: 7 })],
    ['another kind of token', INVALID, await bearer(user, own, secret, { typ: 'logout+jwt' })],
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
    t.not((await call(method, path, body, { authorization })).status, 401, `${operation.operationId} with a valid one`)
  }
  const lower = authorization.replace('Bearer', 'bearer')
  t.equal((await call('GET', `/api/${user}/tasks`, undefined, { authorization: lower })).status, 200, 'RFC 9110, 11.1')
  t.equal((await call('HEAD', `/api/${user}/tasks`)).status, 401)
})

t.test('a token comes first: what else is wrong is not told without', async t => {
  await using service = await withSecret()
  const { call, send } = service
  const path = `/api/${randomUser()}/tasks`
  t.equal((await call('GET', `${path}?limit=0`)).status, 401)
  t.equal((await call('GET', path, undefined, { accept: 'text/html' })).status, 401)
  const announced = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 999999\r\n\r\n`
  t.equal((await send('POST', path, announced)).status, 401, 'and the body is not waited for')
})

t.test('health, the contract and the reference need no token', async t => {
  await using service = await withSecret()
  const { call, origin } = service
  for (const path of ['/health', '/health/live']) t.equal((await call('GET', path)).status, 200, path)
  for (const path of ['/openapi.yaml', '/openapi.json', '/docs'])
    t.equal((await fetch(origin + path)).status, 200, path)
  t.equal((await call('GET', '/nowhere')).status, 404)
  t.equal((await call('PUT', '/api/a/tasks')).status, 405)
})

t.test('nobody reads or writes another user’s tasks, under whatever name', async t => {
  await using service = await withSecret()
  const { call, create, send } = service
  const alice = `Alice.${randomUUID()}`
  const hers = await bearer(alice)
  const task = await create(alice, { title: 'Hers alone' }, hers)
  const mallory = await bearer(`mallory-${randomUUID()}`)

  const asOthersWriteIt: [why: string, user: string, status: number][] = [
    ['as it is', alice, 403],
    ['encoded', `%41${alice.slice(1)}`, 403],
    ['encoded twice', `%2541${alice.slice(1)}`, 403],
    ['in another case', alice.toLowerCase(), 403],
    ['with NUL', `${alice}%00`, 403],
    ['with a slash', `${alice}%2F`, 403],
    ['with a dot segment', `x%2F..%2F${alice}`, 403],
    ['with a space', `${alice}%20`, 403],
    ['a look-alike', encodeURIComponent(alice.replace('A', 'А')), 403],
    ['in full width', encodeURIComponent(alice.replace('A', 'Ａ')), 403],
  ]
  for (const operation of secured) {
    for (const [why, user, status] of asOthersWriteIt) {
      const bodies = []
      for (const id of [task.id, task.id.toUpperCase(), randomUUID()]) {
        const [method, path, body] = validRequest(operation, alice, { id })
        const answer = await call(method, path.replaceAll(alice, user), body, mallory)
        t.equal(answer.status, status, `${operation.operationId} ${why}`)
        t.notMatch(answer.text, /Hers alone/)
        bodies.push({ ...answer.body, instance: null })
      }
      t.same(bodies[0], bodies[2], 'a task that exists and one that does not are answered alike')
    }
    // The owner herself, under a name that is hers only nearly.
    for (const [why, user] of asOthersWriteIt.filter(([why]) => !['as it is', 'encoded'].includes(why))) {
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
    const bytes = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: ${mallory.authorization}\r\n\r\n`
    const { status } = await send('GET', path, bytes)
    t.ok(status === 403 || status === 404, `${path} is ${status}`)
  }
  const { body } = await call('GET', `/api/${alice}/tasks`, undefined, hers)
  t.same(body.data, [task], 'nothing was changed, and nothing added')
  const encoded = `/api/%41${alice.slice(1)}/tasks/${task.id}`
  t.same((await call('GET', encoded, undefined, hers)).body, task, 'the owner may encode what she likes')
})

t.test('only access tokens are accepted, as far as their type says what they are', async t => {
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
  for (const typ of [...rfc9068, ...general]) t.equal(await accepted(undefined, typ), true, `any, and it is ${typ}`)
  for (const typ of others) t.equal(await accepted(undefined, typ), false, `any, and it is ${typ}`)
  for (const type of ['at+jwt', 'application/at+jwt']) {
    for (const typ of rfc9068) t.equal(await accepted(type, typ), true, `${type}, and it is ${typ}`)
    for (const typ of [...general, ...others]) t.equal(await accepted(type, typ), false, `${type}, and it is ${typ}`)
  }
})

t.test('a verified token is remembered, never past its end', async t => {
  let now = Date.now()
  const authenticate = createAuthenticate({ secret, now: () => now }, silent)
  const user = randomUser()
  const { authorization } = await bearer(user, { exp: Math.floor(now / 1000) + 20 })
  t.equal(await authenticate(authorization), user)
  now += 19_000
  t.equal(await authenticate(authorization), user)
  now += 1_000 + 31_000
  await t.rejects(
    async () => authenticate(authorization),
    { code: 'unauthenticated' },
    'its end, and what clocks may differ, is past',
  )
})

t.test('more tokens than are remembered', async t => {
  const authenticate = createAuthenticate({ secret }, silent)
  const headers = await Promise.all(Array.from({ length: 10_001 }, () => bearer(randomBytes(6).toString('hex'))))
  const users = []
  for (const { authorization } of headers) users.push(await authenticate(authorization))
  t.equal(new Set(users).size, headers.length)
  t.equal(await authenticate(headers[0]?.authorization), users[0], 'the forgotten one is checked again')
})

t.test('a user with more tokens than are remembered displaces their own only', async t => {
  const authenticate = createAuthenticate({ secret }, silent)
  const { authorization: neighbour } = await bearer('neighbour')
  await authenticate(neighbour)
  const headers = await Promise.all(Array.from({ length: 10_001 }, (_, jti) => bearer('flooder', { jti: `${jti}` })))
  for (const { authorization } of headers) await authenticate(authorization)
  t.equal(authenticate(neighbour), 'neighbour', 'at once: it is still remembered')
  t.equal(authenticate(headers.at(-1)?.authorization), 'flooder')
  t.type(authenticate(headers[0]?.authorization), Promise, 'verified again')
})

t.test('keys of an issuer, discovered', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('es')
  await issuer.addKey('another es')
  await issuer.addKey('rs', 'RS256')
  await issuer.addKey('ed', 'EdDSA')
  await using service = await startService({ authenticate: createAuthenticate({ issuer: issuer.url }, silent) })
  const { call } = service
  const user = randomUser()
  const status = async (header: Record<string, string>) =>
    (await call('GET', `/api/${user}/tasks`, undefined, header)).status
  for (const kid of ['es', 'rs', 'ed']) t.equal(await status(await issuer.bearer(user, kid)), 200, kid)
  t.equal(issuer.fetches, 1, 'fetched once')
  t.equal(await status(await issuer.bearer(user, 'es', { iss: 'https://elsewhere.example' })), 401, 'another issuer')
  const withoutKid = Buffer.from('{"alg":"ES256"}').toString('base64url')
  t.equal(await status({ authorization: `Bearer ${withoutKid}.e30.c2ln` }), 401, 'which key, it does not say')
  t.equal(await status(await bearer(user, { iss: issuer.url })), 401, 'a shared secret is none of its algorithms')
})

t.test('keys are rotated without a restart, and dropped keys count no more', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('old')
  const authenticate = createAuthenticate({ jwksUrl: issuer.jwksUrl, keysCooldown: 0 }, silent)
  const user = randomUser()
  const old = await issuer.bearer(user, 'old')
  t.equal(await authenticate(old.authorization), user)
  issuer.dropKey('old')
  t.equal(await authenticate(old.authorization), user, 'nobody has said so yet')
  await issuer.addKey('new')
  const fresh = await issuer.bearer(user, 'new')
  t.equal(await authenticate(fresh.authorization), user)
  await t.rejects(
    async () => authenticate(old.authorization),
    { code: 'unauthenticated' },
    'what was remembered went with the keys',
  )
})

t.test('only tokens that were never found valid need to be admitted before they are verified', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('old')
  let now = Date.now()
  const authenticate = createAuthenticate({ issuer: issuer.url, keysCooldown: 0, now: () => now }, silent)
  const user = randomUser()
  const admitted = async (header: { authorization?: string }) => {
    let asked = 0
    const outcome = async () => authenticate(header.authorization, () => asked++)
    const result = await outcome().catch(({ code }) => code)
    return [result, asked]
  }
  const old = await issuer.bearer(user, 'old')
  t.same(await admitted(old), [user, 1])
  t.same(await admitted(old), [user, 0], 'remembered')
  now += 61_000
  t.same(await admitted(old), [user, 0], 'verified again')
  issuer.dropKey('old')
  await issuer.addKey('new')
  const fresh = await issuer.bearer(user, 'new')
  t.same(await admitted(fresh), [user, 1])
  t.same(await admitted(old), ['unauthenticated', 0], 'revoked, which nobody knew')
  t.same(await admitted(old), ['unauthenticated', 1], 'and from then on like any other')
  t.same(await admitted(fresh), [user, 0])
  now += 3600_000 + 31_000
  t.same(await admitted(fresh), ['unauthenticated', 1], 'expired')
  t.same(await admitted({}), ['unauthenticated', 1])
  t.equal(await authenticate((await issuer.bearer(user, 'new', { exp: now })).authorization), user)
  const refuse = () => {
    throw new Error('refused')
  }
  await t.rejects(async () => authenticate(old.authorization, refuse), { message: 'refused' })
})

/** A token whose key is not the issuer's, and whose signature is nobody's. */
function withUnknownKey(): string {
  const head = Buffer.from(JSON.stringify({ alg: 'ES256', kid: randomUUID() })).toString('base64url')
  return `Bearer ${head}.e30.c2ln`
}

t.test('unknown keys lead to one fetch in a cooldown', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('known')
  const authenticate = createAuthenticate({ issuer: issuer.url }, silent)
  const user = randomUser()
  const { authorization } = await issuer.bearer(user, 'known')
  await authenticate(authorization)
  await authenticate(authorization)
  for (let count = 0; count < 1000; count++) {
    await t.rejects(async () => authenticate(withUnknownKey()), { code: 'unauthenticated' })
  }
  t.equal(issuer.fetches, 2, 'one at start, one for them')
  t.equal(authenticate(authorization), user, 'at once: the keys are the same, so nothing is verified again')
})

t.test(
  'keys that are rotated right after a fetch are noticed at once, in a flood of unknown keys after a cooldown',
  async t => {
    const issuer = await startIssuer(t)
    await issuer.addKey('first')
    let now = Date.now()
    const authenticate = createAuthenticate({ issuer: issuer.url, now: () => now }, silent)
    const user = randomUser()
    await authenticate((await issuer.bearer(user, 'first')).authorization)
    await issuer.addKey('second')
    t.equal(await authenticate((await issuer.bearer(user, 'second')).authorization), user)
    await t.rejects(async () => authenticate(withUnknownKey()), { code: 'unauthenticated' })
    await issuer.addKey('third')
    const { authorization } = await issuer.bearer(user, 'third')
    await t.rejects(async () => authenticate(authorization), { code: 'unauthenticated' })
    now += 10_000
    t.equal(await authenticate(authorization), user)
    t.equal(issuer.fetches, 3)
  },
)

t.test('keys that are too weak, malformed or of an unknown type are left out, with one line for each', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('good', 'RS256')
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  issuer.publish('weak', { ...weak, kid: 'weak', alg: 'RS256' })
  issuer.publish('malformed', { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA', kid: 'malformed', alg: 'ES256' })
  issuer.publish('unknown', { kty: 'XYZ', kid: 'unknown', alg: 'ES256' })
  const unusable: unknown[] = []
  const log = Object.assign(Object.create(silent), { warn: ({ kid }: { kid: string }) => unusable.push(kid) })
  await using service = await startService({
    authenticate: createAuthenticate({ issuer: issuer.url, keysCooldown: 0 }, log),
  })
  const { call } = service
  const user = randomUser()
  const status = async (header: Record<string, string>) =>
    (await call('GET', `/api/${user}/tasks`, undefined, header)).status
  t.equal(await status(await issuer.bearer(user, 'good')), 200)
  for (const [kid, alg] of [
    ['weak', 'RS256'],
    ['malformed', 'ES256'],
    ['unknown', 'ES256'],
  ] as const) {
    const head = Buffer.from(JSON.stringify({ alg, kid })).toString('base64url')
    t.equal(await status({ authorization: `Bearer ${head}.e30.c2ln` }), 401, kid)
  }
  t.same(unusable, ['weak', 'malformed', 'unknown'])
})

t.test('an issuer that is down locks nobody out whose key is known', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('known')
  await issuer.addKey('unpublished')
  issuer.dropKey('unpublished')
  const warnings: unknown[] = []
  const log = Object.assign(Object.create(silent), { warn: (...line: unknown[]) => warnings.push(line) })
  const authenticate = createAuthenticate({ issuer: issuer.url, keysCooldown: 0 }, log)
  const user = randomUser()
  await authenticate((await issuer.bearer(user, 'known')).authorization)
  issuer.answerWith(500)
  for (const kid of ['unpublished', 'unpublished']) {
    await t.rejects(async () => authenticate((await issuer.bearer(user, kid)).authorization), {
      code: 'unauthenticated',
    })
  }
  t.equal(warnings.length, 1, 'said once')
  t.equal(await authenticate((await issuer.bearer(user, 'known', { jti: 'another' })).authorization), user)
})

t.test('an issuer whose keys were never there is 503', async t => {
  const issuer = await startIssuer(t)
  issuer.answerWith(500)
  await using service = await startService({ authenticate: createAuthenticate({ issuer: issuer.url }, silent) })
  const { call } = service
  await issuer.addKey('key')
  const user = randomUser()
  const header = await issuer.bearer(user, 'key')
  const { status, body, headers } = await call('GET', `/api/${user}/tasks`, undefined, header)
  t.equal(status, 503)
  t.equal(body.code, 'keys_unavailable')
  t.equal(headers.get('retry-after'), '1')
  issuer.answerWith(200)
  for (;;) {
    const later = await call('GET', `/api/${user}/tasks`, undefined, header)
    if (later.status === 503) continue
    t.equal(later.status, 200, 'until they are')
    break
  }
})

t.test('metadata of another issuer are not believed', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('key')
  issuer.metadata = { issuer: 'https://elsewhere.example' }
  const authenticate = createAuthenticate({ issuer: issuer.url }, silent)
  const { authorization } = await issuer.bearer('alice', 'key')
  await t.rejects(async () => authenticate(authorization), { code: 'keys_unavailable' })
})

t.test('keys that the metadata have at a URL without TLS are not fetched', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('key')
  issuer.metadata = { jwks_uri: `http://issuer.example/keys` }
  const failures: { err: Error }[] = []
  const log = Object.assign(Object.create(silent), { warn: (line: { err: Error }) => failures.push(line) })
  const authenticate = createAuthenticate({ issuer: issuer.url }, log)
  const { authorization } = await issuer.bearer('alice', 'key')
  await t.rejects(async () => authenticate(authorization), { code: 'keys_unavailable' })
  t.match(failures[0]?.err.message, 'is not an https:// URL')
})

t.test('old keys are fetched again', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('key')
  let now = Date.now()
  const authenticate = createAuthenticate({ issuer: issuer.url, keysCooldown: 0, now: () => now }, silent)
  const token = async () => (await issuer.bearer('alice', 'key', { jti: randomUUID() })).authorization
  t.equal(await authenticate(await token()), 'alice')
  now += 601_000
  t.equal(await authenticate(await token()), 'alice', 'in the background: this one is not kept waiting')
  while (issuer.fetches < 2) await new Promise(resolve => setImmediate(resolve))
})

t.test('keys are fetched again before they are too old', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('key')
  let now = Date.now()
  const options = { issuer: issuer.url, keysMaxAge: 60_000, now: () => now }
  const authenticate = createAuthenticate(options, silent)
  const token = async () => (await issuer.bearer('alice', 'key', { jti: randomUUID() })).authorization
  await authenticate(await token())
  now += 30_001
  await authenticate(await token())
  while (issuer.fetches < 2) await new Promise(resolve => setImmediate(resolve))
})

t.test(
  'while the issuer is unavailable its keys are trusted for a day, and so is what was verified with them',
  async t => {
    const issuer = await startIssuer(t)
    await issuer.addKey('key')
    const lines: [level: string, message: unknown][] = []
    const log = Object.assign(Object.create(silent), {
      info: (message: string) => lines.push(['info', message]),
      warn: (_: unknown, message: string) => lines.push(['warn', message]),
      error: (message: string) => lines.push(['error', message]),
    })
    let now = Date.now()
    const authenticate = createAuthenticate({ issuer: issuer.url, now: () => now }, log)
    const exp = Math.floor(now / 1000) + 1_000_000
    const first = await issuer.bearer('alice', 'key', { exp })
    await authenticate(first.authorization)
    issuer.answerWith(500)
    now += 86_400_000 - 2_000
    const second = await issuer.bearer('bob', 'key', { exp })
    t.equal(await authenticate(second.authorization), 'bob')
    now += 1_000
    t.equal(authenticate(second.authorization), 'bob', 'remembered')
    now += 1_000
    for (const { authorization } of [first, second, await issuer.bearer('carol', 'key', { exp })]) {
      await t.rejects(async () => authenticate(authorization), { code: 'keys_unavailable' })
    }
    t.same(lines, [
      ['warn', "the token issuer's keys cannot be fetched"],
      ['error', "the token issuer's keys are too old to be trusted (AUTH_KEYS_MAX_AGE): requests are refused"],
    ])
    issuer.answerWith(200)
    now += 1_000
    const admitUnknown = () => t.fail('it was verified before')
    t.equal(await authenticate(second.authorization, admitUnknown), 'bob')
    t.same(lines.slice(2), [['info', "the token issuer's keys are available again"]])
  },
)

t.test('after a day without requests keys are fetched before the first token is verified', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('kept')
  await issuer.addKey('revoked')
  let now = Date.now()
  const authenticate = createAuthenticate({ issuer: issuer.url, now: () => now }, silent)
  const exp = Math.floor(now / 1000) + 1_000_000
  const kept = await issuer.bearer('alice', 'kept', { exp })
  const revoked = await issuer.bearer('alice', 'revoked', { exp })
  for (const { authorization } of [kept, revoked]) t.equal(await authenticate(authorization), 'alice')
  issuer.dropKey('revoked')
  now += 86_400_000
  await t.rejects(async () => authenticate(revoked.authorization), { code: 'unauthenticated' })
  t.equal(await authenticate(kept.authorization), 'alice')
})
