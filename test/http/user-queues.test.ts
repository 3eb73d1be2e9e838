/** Fair shares: a user's work waits in that user's own line. */
import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import { onPostgres, ownDatabase, randomUser, silent, startService } from '../../scripts/support/service.ts'
import { openDatabase } from '../../src/database/open.ts'
import { createUserQueue } from '../../src/http/user-queues.ts'
import { untilWaiting } from '../support/locks.ts'

/** Work that goes on until it is told to end, and a record of what has begun. */
function createWork() {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const work = (name: string) => async () => {
    begun.push(name)
    const { promise, resolve } = Promise.withResolvers<void>()
    ends.set(name, resolve)
    await promise
    return name
  }
  return { begun, work, end: (name: string) => ends.get(name)?.() }
}

const PATIENCE = 60_000

t.test('as much as the width is done at a time, the rest in its order; others are not held up', async t => {
  const { begun, work, end } = createWork()
  const take = createUserQueue({ concurrency: 2, maxWaiting: 10, timeout: PATIENCE })
  const mine = ['a', 'b', 'c', 'd'].map(name => take('alice', work(name)))
  const other = take('bob', work('of bob'))
  t.same(begun, ['a', 'b', 'of bob'])
  end('of bob')
  t.equal(await other, 'of bob')
  end('b')
  t.equal(await mine[1], 'b')
  await nextTurnOfTheLoop()
  t.same(begun, ['a', 'b', 'of bob', 'c'])
  end('a')
  await mine[0]
  await nextTurnOfTheLoop()
  for (const name of ['c', 'd']) end(name)
  t.same(await Promise.all(mine), ['a', 'b', 'c', 'd'])
  const again = take('alice', work('again'))
  end('again')
  t.equal(await again, 'again')
})

t.test('who fails gives way to the next one', async t => {
  const take = createUserQueue({ concurrency: 1, maxWaiting: 10, timeout: PATIENCE })
  const failing = take('alice', async () => {
    throw new Error('failed')
  })
  const next = take('alice', async () => 'done')
  await t.rejects(failing, { message: 'failed' })
  t.equal(await next, 'done')
})

t.test('one more than may wait is refused at once, and who waits for too long later', async t => {
  const { begun, work, end } = createWork()
  const take = createUserQueue({ concurrency: 1, maxWaiting: 1, timeout: 20 })
  const first = take('alice', work('first'))
  const second = take('alice', work('second'))
  await t.rejects(take('alice', work('third')), { code: 'overloaded', status: 503 })
  await t.rejects(second, { code: 'overloaded', status: 503 })
  end('first')
  await first
  t.same(begun, ['first'], 'who was refused does not begin')
  const last = take('alice', work('last'))
  end('last')
  t.equal(await last, 'last')
})

t.test('of many writes of one user all are done', async t => {
  await using service = await startService()
  const { call, create } = service
  const user = randomUser()
  const { id } = await create(user)
  const items = [{ action: 'complete', id }]
  const answers = await Promise.all([
    ...Array.from({ length: 20 }, () => call('POST', `/api/${user}/tasks/batch`, { items })),
    ...Array.from({ length: 20 }, (_, key) =>
      call('PATCH', `/api/${user}/tasks/${id}/complete`, undefined, { 'idempotency-key': `${key}` }),
    ),
    ...Array.from({ length: 20 }, () => call('PATCH', `/api/${user}/tasks/${id}/complete`)),
  ])
  t.same(
    answers.map(({ status }) => status),
    Array(60).fill(200),
  )
  t.match((await call('GET', `/api/${user}/tasks/${id}`)).body, { revision: 61, completed: false })
})

t.test(
  'a user whose writes wait for a lock holds neither the pool nor the shared connections',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const config = await ownDatabase(t)
    const service = await startService({ config: { ...config, poolSize: 10 } })
    t.teardown(() => service[Symbol.asyncDispose]())
    const { call, create } = service
    const [user, other] = [randomUser(), randomUser()]
    await create(user)
    const { kysely, close } = await openDatabase(config, silent)
    t.teardown(close)
    const locking = await kysely.startTransaction().execute()
    await sql`select from user_clock where user_id = ${user} for update`.execute(locking)
    const post = (user: string, headers = {}) => call('POST', `/api/${user}/tasks`, { title: 'T' }, headers)
    const waiting = [...Array(20).keys()].flatMap(key => [post(user), post(user, { 'idempotency-key': `${key}` })])
    await untilWaiting(kysely, 'insert into')
    // Several, so that each connection would have its turn.
    for (let count = 0; count < 10; count += 1) {
      t.match([(await post(other)).status, (await post(other, { 'idempotency-key': `${count}` })).status], [201, 201])
    }
    await locking.rollback().execute()
    for (const { status } of await Promise.all(waiting)) t.ok([201, 503].includes(status))
  },
)
