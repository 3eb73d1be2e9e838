/** When an issuer's keys are fetched again, and for how long they are trusted. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { randomUser, silent } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { startIssuer } from '../support/issuer.ts'

t.test('a new key is accepted and a removed key is refused without a restart', async t => {
  await using issuer = await startIssuer()
  await issuer.addKey('old')
  const authenticate = createAuthenticate({ jwksUrl: issuer.jwksUrl, keysCooldown: 0 }, silent)
  const user = randomUser()
  const old = await issuer.bearer(user, 'old')
  t.equal(await authenticate(old.authorization), user)
  issuer.dropKey('old')
  t.equal(await authenticate(old.authorization), user, 'the removal is not known yet')
  await issuer.addKey('new')
  const fresh = await issuer.bearer(user, 'new')
  t.equal(await authenticate(fresh.authorization), user)
  await t.rejects(
    async () => authenticate(old.authorization),
    { code: 'unauthenticated' },
    'remembered tokens are forgotten with their keys',
  )
})

/** A token with a key that the issuer does not have and an invalid signature. */
function withUnknownKey(): string {
  const head = Buffer.from(JSON.stringify({ alg: 'ES256', kid: randomUUID() })).toString('base64url')
  return `Bearer ${head}.e30.c2ln`
}

t.test('tokens with unknown keys cause at most one fetch per cooldown', async t => {
  await using issuer = await startIssuer()
  await issuer.addKey('known')
  const now = Date.now()
  const authenticate = createAuthenticate({ issuer: issuer.url, now: () => now }, silent)
  const user = randomUser()
  const { authorization } = await issuer.bearer(user, 'known')
  await authenticate(authorization)
  await authenticate(authorization)
  for (let count = 0; count < 1000; count++) {
    await t.rejects(async () => authenticate(withUnknownKey()), { code: 'unauthenticated' })
  }
  t.equal(issuer.fetches, 2, 'one for the first token, one for all unknown keys')
  t.equal(
    authenticate(authorization),
    user,
    'synchronously: the keys have not changed, so the token is still remembered',
  )
})

t.test(
  'a key that is added right after a fetch is accepted at once, and after a cooldown while unknown keys keep coming',
  async t => {
    await using issuer = await startIssuer()
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

t.test('keys older than ten minutes are fetched again in the background', async t => {
  await using issuer = await startIssuer()
  await issuer.addKey('key')
  let now = Date.now()
  const authenticate = createAuthenticate({ issuer: issuer.url, keysCooldown: 0, now: () => now }, silent)
  const token = async () => (await issuer.bearer('alice', 'key', { jti: randomUUID() })).authorization
  t.equal(await authenticate(await token()), 'alice')
  now += 601_000
  t.equal(await authenticate(await token()), 'alice', 'this token does not wait for the fetch')
  while (issuer.fetches < 2) await new Promise(resolve => setImmediate(resolve))
})

t.test('keys are fetched again after half of their maximum age', async () => {
  await using issuer = await startIssuer()
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

t.test('while the issuer is unavailable its keys and the tokens verified with them are trusted for a day', async t => {
  await using issuer = await startIssuer()
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
    await t.rejects(async () => authenticate(authorization), { code: 'issuer_unavailable' })
  }
  t.same(lines, [
    ['warn', "the token issuer's keys cannot be fetched"],
    ['error', "the token issuer's keys are too old to be trusted (AUTH_KEYS_MAX_AGE): requests are refused"],
  ])
  issuer.answerWith(200)
  now += 1_000
  const admitUnknown = () => t.fail('the token was verified before')
  t.equal(await authenticate(second.authorization, admitUnknown), 'bob')
  t.same(lines.slice(2), [['info', "the token issuer's keys are available again"]])
})

t.test('after a day without requests keys are fetched before the first token is verified', async t => {
  await using issuer = await startIssuer()
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
