/** Which keys of an issuer are fetched and accepted. */
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { randomUser, silent, startService } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { bearer, startIssuer } from '../support/issuer.ts'

t.test('tokens signed with a key of the discovered issuer are accepted', async t => {
  await using issuer = await startIssuer()
  await issuer.addKey('es')
  await issuer.addKey('another es')
  await issuer.addKey('rs', 'RS256')
  await issuer.addKey('ed', 'EdDSA')
  await using service = await startService({ authenticate: createAuthenticate({ issuer: issuer.url }, silent) })
  const { id: user, send } = await service.newUser()
  const status = async (header: Record<string, string>) => (await send.listTasks({ header })).status
  for (const kid of ['es', 'rs', 'ed']) t.equal(await status(await issuer.bearer(user, kid)), 200, kid)
  t.equal(issuer.fetches, 1, 'the keys are fetched once')
  t.equal(await status(await issuer.bearer(user, 'es', { iss: 'https://elsewhere.example' })), 401, 'another issuer')
  const withoutKid = Buffer.from('{"alg":"ES256"}').toString('base64url')
  t.equal(await status({ authorization: `Bearer ${withoutKid}.e30.c2ln` }), 401, 'a token without kid is ambiguous')
  t.equal(await status(await bearer(user, { iss: issuer.url })), 401, 'a token signed with a shared secret')
})

t.test('keys that are weak, malformed or of an unknown type are ignored with a warning for each', async t => {
  await using issuer = await startIssuer()
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
  const { id: user, send } = await service.newUser()
  const status = async (header: Record<string, string>) => (await send.listTasks({ header })).status
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

t.test('while the issuer is unavailable tokens with a known key are accepted', async t => {
  await using issuer = await startIssuer()
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
  t.equal(warnings.length, 1, 'the outage is logged once')
  t.equal(await authenticate((await issuer.bearer(user, 'known', { jti: 'another' })).authorization), user)
})

t.test('without any keys of the issuer requests return 503 until they can be fetched', async t => {
  await using issuer = await startIssuer()
  issuer.answerWith(500)
  await using service = await startService({ authenticate: createAuthenticate({ issuer: issuer.url }, silent) })
  await issuer.addKey('key')
  const { send } = await service.newUser({ header: user => issuer.bearer(user, 'key') })
  const refused = await send.listTasks()
  t.hasStrict(refused, { status: 503, body: { code: 'issuer_unavailable' } })
  t.equal(refused.headers.get('retry-after'), '1')
  issuer.answerWith(200)
  for (;;) {
    const later = await send.listTasks()
    if (later.status === 503) continue
    t.equal(later.status, 200)
    break
  }
})

t.test('metadata of another issuer are rejected', async t => {
  await using issuer = await startIssuer()
  await issuer.addKey('key')
  issuer.metadata = { issuer: 'https://elsewhere.example' }
  const authenticate = createAuthenticate({ issuer: issuer.url }, silent)
  const { authorization } = await issuer.bearer('alice', 'key')
  await t.rejects(async () => authenticate(authorization), { code: 'issuer_unavailable' })
})

t.test('keys at a URL without TLS are not fetched', async t => {
  await using issuer = await startIssuer()
  await issuer.addKey('key')
  issuer.metadata = { jwks_uri: `http://issuer.example/keys` }
  const failures: { err: Error }[] = []
  const log = Object.assign(Object.create(silent), { warn: (line: { err: Error }) => failures.push(line) })
  const authenticate = createAuthenticate({ issuer: issuer.url }, log)
  const { authorization } = await issuer.bearer('alice', 'key')
  await t.rejects(async () => authenticate(authorization), { code: 'issuer_unavailable' })
  t.match(failures[0]?.err.message, 'is not an https:// URL')
})
