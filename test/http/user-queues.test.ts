/** Each user's writes wait in a queue of their own, so that no user can delay another. */
import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { onPostgres, ownDatabase, silent, startService } from '../../scripts/support/service.ts'
import { openDatabase } from '../../src/database/open.ts'
import { createUserQueue } from '../../src/http/user-queues.ts'
import { untilWaiting } from '../support/locks.ts'

/** Work that continues until a test ends it, and a record of what has begun. */
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

t.test('up to `concurrency` tasks of a user run at a time, the rest in order, and other users do not wait', async t => {
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

t.test('work that fails lets the next one start', async t => {
  const take = createUserQueue({ concurrency: 1, maxWaiting: 10, timeout: PATIENCE })
  const failing = take('alice', async () => {
    throw new Error('failed')
  })
  const next = take('alice', async () => 'done')
  await t.rejects(failing, { message: 'failed' })
  t.equal(await next, 'done')
})

t.test('work beyond `maxWaiting` is refused at once, and work that waits too long after the timeout', async t => {
  const { begun, work, end } = createWork()
  const take = createUserQueue({ concurrency: 1, maxWaiting: 1, timeout: 20 })
  const first = take('alice', work('first'))
  const second = take('alice', work('second'))
  await t.rejects(take('alice', work('third')), { code: 'overloaded', status: 503 })
  await t.rejects(second, { code: 'overloaded', status: 503 })
  end('first')
  await first
  t.same(begun, ['first'], 'refused work never begins')
  const last = take('alice', work('last'))
  end('last')
  t.equal(await last, 'last')
})

t.test('sixty concurrent writes of one user all succeed', async t => {
  await using service = await startService()
  const user = await service.newUser()
  const { id } = await user.createTask({ title: 'A task' })
  const { batchTasks, setTaskCompletion } = user.send
  const keys = [...Array(20).keys()]
  const answers = await Promise.all([
    ...keys.map(key => batchTasks({ items: [{ action: 'update', id, changes: { title: `Title ${key}` } }] })),
    ...keys.map(key => setTaskCompletion(id, undefined, { header: { 'idempotency-key': `${key}` } })),
    ...keys.map(() => setTaskCompletion(id)),
  ])
  t.same(
    answers.map(({ status }) => status),
    Array(60).fill(200),
  )
  t.match(await user.getTask(id), { revision: 61, completed: false })
})

t.test(
  'a user whose writes wait for a lock blocks no other user',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    await using config = await ownDatabase()
    await using service = await startService({ config: { ...config, poolSize: 10 } })
    const [user, other] = [await service.newUser(), await service.newUser()]
    await user.createTask({ title: 'A task' })
    await using locker = new AsyncDisposableStack()
    const { kysely, close } = await openDatabase(config, silent)
    locker.defer(close)
    const locking = await kysely.startTransaction().execute()
    await sql`select from user_clock where user_id = ${user.id} for update`.execute(locking)
    const create = ({ send }: User, header = {}) => send.createTask({ title: 'T' }, { header })
    const createWithKey = (user: User, key: number) => create(user, { 'idempotency-key': `${key}` })
    const waiting = [...Array(20).keys()].flatMap(key => [create(user), createWithKey(user, key)])
    await untilWaiting(kysely, 'insert into')
    // Ten times, so that every connection of the pool and every shared one would be used.
    for (let count = 0; count < 10; count += 1) {
      t.same([(await create(other)).status, (await createWithKey(other, count)).status], [201, 201])
    }
    await locking.rollback().execute()
    for (const { status } of await Promise.all(waiting)) t.ok([201, 503].includes(status))
  },
)
