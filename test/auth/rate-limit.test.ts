/** Rate limits per user and per address, with the headers that the contract declares. */
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { randomUser, silent, startService } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { createRateLimit } from '../../src/auth/rate-limit.ts'
import { bearer, secret } from '../support/issuer.ts'

const authenticate = createAuthenticate({ secret }, silent)
const secured = operations.filter(({ security }) => security.length > 0)

const limited = (userLimit: number, addressLimit = 1000, more = {}) =>
  startService({
    authenticate,
    userLimit: createRateLimit('user', userLimit),
    addressLimit: createRateLimit('address', addressLimit),
    ...more,
  })

/** Items of a batch. */
const creations = (length: number) =>
  Array.from({ length }, () => ({ action: 'create' as const, task: { title: 'T', completed: false } }))

function isRefused(
  test: Pick<typeof t, 'match' | 'equal' | 'ok' | 'hasStrict'>,
  { status, headers, body }: { status: number; headers: Headers; body: unknown },
  name: string,
  limit: number,
): void {
  test.equal(status, 429)
  test.hasStrict(body, { code: 'rate_limited' })
  test.equal(headers.get('ratelimit-policy'), `"${name}";q=${limit};w=60`)
  const seconds = Number(headers.get('retry-after'))
  test.ok(seconds >= 1 && seconds <= 60, `retry after ${seconds} s`)
  test.match(headers.get('ratelimit'), new RegExp(`^"${name}";r=0;t=\\d+$`))
}

t.test('a user’s requests over the limit return 429, whatever the operation', async t => {
  await using service = await limited(secured.length)
  const { call } = service
  const user = randomUser()
  const header = await bearer(user)
  let left = secured.length
  for (const operation of secured) {
    const [method, path, body] = validRequest(operation, user)
    const { headers } = await call(method, path, body, header)
    left -= 1
    t.equal(headers.get('ratelimit-policy'), `"user";q=${secured.length};w=60`)
    t.match(headers.get('ratelimit'), new RegExp(`^"user";r=${left};t=\\d+$`))
  }
  for (const operation of secured) {
    const [method, path, body] = validRequest(operation, user)
    isRefused(t, await call(method, path, body, header), 'user', secured.length)
  }
  const other = await service.newUser({ id: `${user}2`, header: bearer })
  t.equal((await other.send.listTasks()).status, 200, 'other users are not affected')
  t.equal((await other.send.getHealth()).status, 200, 'health is not limited')
})

t.test('a window starts with its first request and ends a minute later', async t => {
  let now = 1000
  const limit = createRateLimit('user', 2, () => now)
  const left = (key: string) => limit.count(key).ratelimit
  t.equal(limit.isInUse, false)
  t.equal(left('a'), '"user";r=1;t=60')
  t.equal(limit.isInUse, true)
  now += 40_000
  t.equal(left('a'), '"user";r=0;t=20')
  t.equal(left('b'), '"user";r=1;t=60')
  t.throws(() => limit.check('a'), { code: 'rate_limited', headers: { 'retry-after': '20' } })
  t.throws(() => left('a'), { code: 'rate_limited' })
  t.doesNotThrow(() => limit.check('b'))
  now += 19_999
  t.throws(() => left('a'), { code: 'rate_limited', headers: { 'retry-after': '1' } }, 'up to the last millisecond')
  now += 1
  t.equal(left('a'), '"user";r=1;t=60')
  t.equal(left('b'), '"user";r=0;t=40', 'the window of another key is still open')
  now += 60_000
  limit.check('a')
  now += 60_000
  limit.check('a')
  t.equal(limit.isInUse, false, 'all keys are forgotten in the end')
})

t.test('with more addresses than are remembered the oldest are forgotten', async t => {
  const limit = createRateLimit('address', 1, () => 1000)
  limit.count('first')
  const flood = (prefix: string) => {
    for (let count = 0; count < 100_000; count++) limit.count(`${prefix}${count}`)
  }
  flood('a')
  t.throws(() => limit.check('first'), { code: 'rate_limited' })
  flood('b')
  t.doesNotThrow(() => limit.check('first'))
  t.throws(() => limit.check('b99999'), { code: 'rate_limited' })
})

t.test('a user who floods the service does not affect another user at the same address', async t => {
  await using service = await limited(20, 20)
  const flooder = await service.newUser({ header: bearer })
  const neighbour = await service.newUser({ header: bearer })
  const answers = await Promise.all([
    ...Array.from({ length: 100 }, () => flooder.send.listTasks()),
    ...Array.from({ length: 20 }, () => neighbour.send.listTasks()),
  ])
  const statuses = answers.map(({ status }) => status)
  t.equal(statuses.slice(0, 100).filter(status => status === 200).length, 20)
  t.ok(statuses.slice(100).every(status => status === 200))
})

t.test('requests for another user’s path count against the user of the token', async t => {
  await using service = await limited(2)
  const { send } = await service.newUser({ header: () => bearer(randomUser()) })
  const statuses = []
  for (let count = 0; count < 3; count++) statuses.push((await send.listTasks()).status)
  t.same(statuses, [403, 403, 429])
})

t.test('an address’s requests without a valid token over the limit return 429', async t => {
  await using service = await limited(1000, 3)
  const { send } = await service.newUser()
  for (let left = 2; left >= 0; left--) {
    const { status, headers } = await send.listTasks({ header: { authorization: 'Bearer abc' } })
    t.equal(status, 401)
    t.match(headers.get('ratelimit'), `"address";r=${left};`)
  }
  isRefused(t, await send.listTasks(), 'address', 3)
})

t.test('invalid tokens do not lock out tokens from the same address that were verified before', async t => {
  let now = Date.now()
  await using service = await limited(1000, 3, { authenticate: createAuthenticate({ secret, now: () => now }, silent) })
  const { id: user, send } = await service.newUser()
  const status = async (header: Record<string, string>) => (await send.listTasks({ header })).status
  const seconds = Math.floor(now / 1000)
  const known = await bearer(user, { exp: seconds + 300 })
  t.equal(await status(known), 200)
  const invalid = { authorization: 'Bearer abc' }
  const statuses = []
  for (let count = 0; count < 4; count++) statuses.push(await status(invalid))
  t.same(statuses, [401, 401, 401, 429])

  t.equal(await status(known), 200, 'verified a moment ago')
  now += 61_000
  t.equal(await status(known), 200, 'verified again')
  const unknown = await bearer(user, { exp: seconds + 301 })
  t.equal(await status(unknown), 429, 'a valid token that was never verified is refused')
  t.equal(await status({}), 429)
  now += 270_000
  t.equal(await status(known), 429, 'an expired token is refused as well')
})

t.test('X-Forwarded-For is used if it comes from a trusted proxy, and ignored otherwise', async t => {
  const statuses = async (trustProxy: string | undefined, forwarded: string[]) => {
    await using service = await limited(1000, 1, { trustProxy })
    const { send } = await service.newUser()
    const result = []
    for (const address of forwarded) {
      result.push((await send.listTasks({ header: { 'x-forwarded-for': address } })).status)
    }
    return result
  }
  t.same(await statuses(undefined, ['198.51.100.1', '198.51.100.2']), [401, 429], 'a forged address is ignored')
  t.same(await statuses('10.0.0.0/8', ['198.51.100.1', '198.51.100.2']), [401, 429])
  t.same(await statuses('127.0.0.1', ['198.51.100.1', '198.51.100.2', '198.51.100.1']), [401, 401, 429])
  t.same(
    await statuses('127.0.0.1', ['203.0.113.9, 198.51.100.1', '203.0.113.8, 198.51.100.1']),
    [401, 429],
    'an address that the client sent to the proxy is ignored',
  )
  t.same(
    await statuses('127.0.0.1', ['nonsense', 'nonsense', '']),
    [401, 429, 401],
    'all invalid addresses count as one',
  )
  t.same(
    await statuses('127.0.0.1', ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:db8:0:1::1']),
    [401, 429, 401],
    'a /64 network counts as one address',
  )
  t.same(await statuses('127.0.0.1', ['::ffff:198.51.100.1', '::ffff:198.51.100.2', '198.51.100.1']), [401, 401, 429])
})

t.test('without authentication the user of the path is limited', async t => {
  await using service = await startService({ userLimit: createRateLimit('user', 1) })
  const [user, other] = [await service.newUser(), await service.newUser()]
  t.equal((await user.send.listTasks()).status, 200)
  t.equal((await user.send.listTasks()).status, 429)
  t.equal((await other.send.listTasks()).status, 200)
})

t.test('without limits responses have no RateLimit headers', async t => {
  await using service = await startService({ authenticate })
  const { id, send } = await service.newUser()
  const refused = await send.listTasks()
  const { headers } = await send.listTasks({ header: await bearer(id) })
  for (const name of ['ratelimit', 'ratelimit-policy']) t.notOk(headers.has(name) || refused.headers.has(name))
})

t.test('a batch counts as many requests as it has items', async t => {
  await using service = await limited(10)
  const user = await service.newUser({ header: bearer })
  const batch = (length: number, header = {}) => user.send.batchTasks({ items: creations(length) }, { header })
  const first = await batch(4)
  t.equal(first.status, 200)
  t.match(first.headers.get('ratelimit'), /^"user";r=6;t=\d+$/)
  const refused = await batch(7, { 'idempotency-key': 'key' })
  t.hasStrict(refused, { status: 429, body: { code: 'rate_limited' } })
  t.match(refused.headers.get('ratelimit'), /^"user";r=5;t=\d+$/, 'a refused batch counts as one request')
  t.equal((await user.listTasks()).data.length, 4, 'a refused batch creates nothing')
  t.match((await batch(1)).headers.get('ratelimit'), /^"user";r=3;t=\d+$/)
  t.equal((await batch(4)).status, 429)
  t.equal((await user.send.listTasks()).status, 200)
})

t.test('a batch with more items than the limit is processed and uses up the whole window', async t => {
  await using service = await limited(5)
  const { send } = await service.newUser({ header: bearer })
  t.equal((await send.batchTasks({ items: creations(20) })).status, 200)
  t.equal((await send.listTasks()).status, 429)
})

t.test('without a limit a batch of any size is processed', async t => {
  await using service = await startService()
  const { send } = await service.newUser()
  t.equal((await send.batchTasks({ items: creations(20) })).status, 200)
})
