/** Verified tokens are remembered, so that they need not be verified again. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { randomUser, silent } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { bearer, secret, startIssuer } from '../support/issuer.ts'

t.test('a verified token is remembered, but not beyond its expiry', async t => {
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
    'the token has expired, even with clock skew',
  )
})

t.test('a token that was forgotten because of many others is verified again', async t => {
  const authenticate = createAuthenticate({ secret }, silent)
  const headers = await Promise.all(Array.from({ length: 10_001 }, () => bearer(randomBytes(6).toString('hex'))))
  const users = []
  for (const { authorization } of headers) users.push(await authenticate(authorization))
  t.equal(new Set(users).size, headers.length)
  t.equal(await authenticate(headers[0]?.authorization), users[0], 'the oldest token is verified again')
})

t.test('a user with more tokens than are remembered displaces no other user’s tokens', async t => {
  const authenticate = createAuthenticate({ secret }, silent)
  const { authorization: neighbour } = await bearer('neighbour')
  await authenticate(neighbour)
  const headers = await Promise.all(Array.from({ length: 10_001 }, (_, jti) => bearer('flooder', { jti: `${jti}` })))
  for (const { authorization } of headers) await authenticate(authorization)
  t.equal(authenticate(neighbour), 'neighbour', 'synchronously, because it is still remembered')
  t.equal(authenticate(headers.at(-1)?.authorization), 'flooder')
  t.type(authenticate(headers[0]?.authorization), Promise, 'verified again')
})

t.test('only tokens that were never valid need admission before they are verified', async t => {
  await using issuer = await startIssuer()
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
  t.same(await admitted(old), ['unauthenticated', 0], 'revoked, and not known to be invalid')
  t.same(await admitted(old), ['unauthenticated', 1], 'from now on like any unknown token')
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
