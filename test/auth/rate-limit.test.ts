/** How often: limits for each user and each address, as the contract declares them. */
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { type Answer, randomUser, silent, startService, type Test } from '../../scripts/support/service.ts'
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

function isRefused(
  test: Test & Pick<typeof t, 'match' | 'equal' | 'ok'>,
  { status, headers, body }: Answer,
  name: string,
  limit: number,
): void {
  test.equal(status, 429)
  test.equal(body.code, 'rate_limited')
  test.equal(headers.get('ratelimit-policy'), `"${name}";q=${limit};w=60`)
  const seconds = Number(headers.get('retry-after'))
  test.ok(seconds >= 1 && seconds <= 60, `retry after ${seconds} s`)
  test.match(headers.get('ratelimit'), new RegExp(`^"${name}";r=0;t=\\d+$`))
}

t.test('each user may make so many requests, whatever they are', async t => {
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
  const other = await bearer(randomUser(), { sub: `${user}2` })
  t.equal((await call('GET', `/api/${user}2/tasks`, undefined, other)).status, 200, 'nobody else is refused for it')
  t.equal((await call('GET', '/health')).status, 200, 'health is not limited')
})

t.test('a window begins with its first request, and ends a minute later', async t => {
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
  t.throws(() => left('a'), { code: 'rate_limited', headers: { 'retry-after': '1' } }, 'in the last millisecond, too')
  now += 1
  t.equal(left('a'), '"user";r=1;t=60')
  t.equal(left('b'), '"user";r=0;t=40', 'another window goes on')
  now += 60_000
  limit.check('a')
  now += 60_000
  limit.check('a')
  t.equal(limit.isInUse, false, 'all is forgotten in the end')
})

t.test('a flood of addresses does not use up the memory: the oldest are forgotten', async t => {
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

t.test('a flood does not turn a neighbour’s 200 into 429', async t => {
  await using service = await limited(20, 20)
  const { call } = service
  const [flooder, neighbour] = [randomUser(), randomUser()]
  const [flood, header] = [await bearer(flooder), await bearer(neighbour)]
  const answers = await Promise.all([
    ...Array.from({ length: 100 }, () => call('GET', `/api/${flooder}/tasks`, undefined, flood)),
    ...Array.from({ length: 20 }, () => call('GET', `/api/${neighbour}/tasks`, undefined, header)),
  ])
  const statuses = answers.map(({ status }) => status)
  t.equal(statuses.slice(0, 100).filter(status => status === 200).length, 20)
  t.ok(
    statuses.slice(100).every(status => status === 200),
    'from the same address, too',
  )
})

t.test('other users’ paths count, too', async t => {
  await using service = await limited(2)
  const { call } = service
  const header = await bearer(randomUser())
  const path = `/api/${randomUser()}/tasks`
  const statuses = []
  for (let count = 0; count < 3; count++) statuses.push((await call('GET', path, undefined, header)).status)
  t.same(statuses, [403, 403, 429])
})

t.test('an address may send so many requests without a valid token', async t => {
  await using service = await limited(1000, 3)
  const { call } = service
  const user = randomUser()
  for (let left = 2; left >= 0; left--) {
    const { status, headers } = await call('GET', `/api/${user}/tasks`, undefined, { authorization: 'Bearer abc' })
    t.equal(status, 401)
    t.match(headers.get('ratelimit'), `"address";r=${left};`)
  }
  isRefused(t, await call('GET', `/api/${user}/tasks`), 'address', 3)
})

t.test('invalid tokens do not lock out tokens that were verified before, from the same address', async t => {
  let now = Date.now()
  await using service = await limited(1000, 3, { authenticate: createAuthenticate({ secret, now: () => now }, silent) })
  const { call } = service
  const user = randomUser()
  const status = async (header: Record<string, string>) =>
    (await call('GET', `/api/${user}/tasks`, undefined, header)).status
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
  t.equal(await status(unknown), 429, 'a token that was never verified stays refused, even if it is valid')
  t.equal(await status({}), 429)
  now += 270_000
  t.equal(await status(known), 429, 'and so does one that has expired')
})

t.test('X-Forwarded-For is believed of the proxies that are trusted, and of nobody else', async t => {
  const statuses = async (trustProxy: string | undefined, forwarded: string[]) => {
    await using service = await limited(1000, 1, { trustProxy })
    const { call } = service
    const result = []
    for (const address of forwarded) {
      result.push((await call('GET', '/api/a/tasks', undefined, { 'x-forwarded-for': address })).status)
    }
    return result
  }
  t.same(await statuses(undefined, ['198.51.100.1', '198.51.100.2']), [401, 429], 'a made-up one resets nothing')
  t.same(await statuses('10.0.0.0/8', ['198.51.100.1', '198.51.100.2']), [401, 429])
  t.same(await statuses('127.0.0.1', ['198.51.100.1', '198.51.100.2', '198.51.100.1']), [401, 401, 429])
  t.same(
    await statuses('127.0.0.1', ['203.0.113.9, 198.51.100.1', '203.0.113.8, 198.51.100.1']),
    [401, 429],
    'what the caller wrote before the proxy',
  )
  t.same(await statuses('127.0.0.1', ['nonsense', 'nonsense', '']), [401, 429, 401], 'what is no address is one')
  t.same(
    await statuses('127.0.0.1', ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:db8:0:1::1']),
    [401, 429, 401],
    'one /64 is one',
  )
  t.same(await statuses('127.0.0.1', ['::ffff:198.51.100.1', '::ffff:198.51.100.2', '198.51.100.1']), [401, 401, 429])
})

t.test('without authentication the path’s user is limited', async t => {
  await using service = await startService({ userLimit: createRateLimit('user', 1) })
  const { call } = service
  const user = randomUser()
  t.equal((await call('GET', `/api/${user}/tasks`)).status, 200)
  t.equal((await call('GET', `/api/${user}/tasks`)).status, 429)
  t.equal((await call('GET', `/api/${randomUser()}/tasks`)).status, 200)
})

t.test('without limits there are no headers of them', async t => {
  await using service = await startService({ authenticate })
  const { call } = service
  const user = randomUser()
  const refused = await call('GET', `/api/${user}/tasks`)
  const { headers } = await call('GET', `/api/${user}/tasks`, undefined, await bearer(user))
  for (const name of ['ratelimit', 'ratelimit-policy']) t.notOk(headers.has(name) || refused.headers.has(name))
})

t.test('a batch counts as its items, each of them', async t => {
  await using service = await limited(10)
  const { call } = service
  const user = randomUser()
  const header = await bearer(user)
  const batch = (length: number, more = {}) =>
    call(
      'POST',
      `/api/${user}/tasks/batch`,
      { items: Array(length).fill({ action: 'create', task: { title: 'T' } }) },
      {
        ...header,
        ...more,
      },
    )
  const first = await batch(4)
  t.equal(first.status, 200)
  t.match(first.headers.get('ratelimit'), /^"user";r=6;t=\d+$/)
  const refused = await batch(7, { 'idempotency-key': 'key' })
  t.match([refused.status, refused.body.code], [429, 'rate_limited'])
  t.match(refused.headers.get('ratelimit'), /^"user";r=5;t=\d+$/, 'it counts as a request, as whatever is refused')
  t.equal((await call('GET', `/api/${user}/tasks`, undefined, header)).body.data.length, 4, 'nothing of it was done')
  t.match((await batch(1)).headers.get('ratelimit'), /^"user";r=3;t=\d+$/)
  t.equal((await batch(4)).status, 429)
  t.equal((await call('GET', `/api/${user}/tasks`, undefined, header)).status, 200)
})

t.test('a batch with more items than a minute allows takes the whole minute', async t => {
  await using service = await limited(5)
  const { call } = service
  const user = randomUser()
  const header = await bearer(user)
  const items = Array(20).fill({ action: 'create', task: { title: 'T' } })
  t.equal((await call('POST', `/api/${user}/tasks/batch`, { items }, header)).status, 200)
  t.equal((await call('GET', `/api/${user}/tasks`, undefined, header)).status, 429)
})

t.test('without a limit a batch of any size is done', async t => {
  await using service = await startService()
  const { call } = service
  const items = Array(20).fill({ action: 'create', task: { title: 'T' } })
  t.equal((await call('POST', `/api/${randomUser()}/tasks/batch`, { items })).status, 200)
})
