/** Clients that do not read their responses are disconnected, and no other client is affected. */
import { sql } from 'kysely'
import t from 'tap'
import { ownDatabase, silent, startService } from '../../scripts/support/service.ts'
import { conversation } from '../../scripts/support/socket.ts'
import { jsonHeaders, lastRequest, request, statusesOf } from '../support/bytes.ts'
import { BUNDLE, createCounts, openUnread } from '../support/connections.ts'
import { lockTable } from '../support/locks.ts'

/** How many bytes a slow client reads per millisecond: a small part of its responses in a second. */
const DRIPS = 200

const largeRequest = request('GET', BUNDLE)

t.test('a connection whose response is not read within the response timeout is closed', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  const warnings: unknown[][] = []
  const logger = Object.assign(Object.create(silent), { warn: (...line: unknown[]) => warnings.push(line) })
  await using service = await startService({ metrics, logger, responseTimeout: 300 })
  const user = await service.newUser()
  using stuck = await openUnread(service.port)
  stuck.write(largeRequest.repeat(30))
  await untilClosed('unread')
  t.same(closed, ['unread'])
  // The sweep that closes connections logs them.
  await user.getLiveness()
  t.same(warnings, [[{ unread: 1 }, 'connections closed to enforce limits']])
})

t.test('a connection whose response is read too slowly is closed', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  await using service = await startService({ metrics, responseTimeout: 1000 })
  using dripping = await openUnread(service.port)
  dripping.write(largeRequest.repeat(30))
  let read = 0
  const start = performance.now()
  // Each time the system's buffer has room again, and the server can write. A late timer reads more at once, so that
  // the rate does not depend on the machine's load.
  const drip = setInterval(() => {
    for (const due = DRIPS * (performance.now() - start); read < due; ) {
      const chunk = dripping.read(1000)
      if (chunk === null) return
      read += chunk.length
    }
  }, 5)
  t.teardown(() => clearInterval(drip))
  await untilClosed('unread')
  t.same(closed, ['unread'])
  t.ok(read > 50_000, 'the client was reading all the time')
})

t.test('a connection that waits for the service is not closed', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  await using service = await startService({ config: ownDatabase, metrics, responseTimeout: 50 })
  const { port, database } = service
  const user = await service.newUser()
  await using lock = await lockTable(database, 'task')
  const list = request('GET', user.path('listTasks'))
  const pipelined = conversation(port, list + lastRequest('GET', user.path('getLiveness')))
  // Each of these is closed after the response timeout, so that the other one has waited many times as long.
  const rounds = 10
  for (let round = 1; round <= rounds; round++) {
    using stuck = await openUnread(port)
    stuck.write(largeRequest.repeat(30))
    await untilClosed('unread', round)
  }
  await lock.release()
  t.same(statusesOf(await pipelined), [200, 200])
  t.same(closed, Array(rounds).fill('unread'), 'only the connections that were not read were closed')
})

t.test('over the limit on unsent bytes the connections with the most unsent bytes are closed', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  await using service = await startService({ metrics, maxUnsentBytes: 24_000_000 })
  const { port, origin } = service
  const size = (await (await fetch(origin + BUNDLE)).arrayBuffer()).byteLength
  using sockets = new DisposableStack()
  for (let count = 0; count < 3; count++) sockets.use(await openUnread(port)).write(largeRequest.repeat(30))
  await untilClosed('unsent')
  t.same([...new Set(closed)], ['unsent'])
  const read = await fetch(origin + BUNDLE)
  t.equal((await read.arrayBuffer()).byteLength, size, 'a client that reads gets its whole response')
})

t.test('a request is in flight until its response is written', async t => {
  const { metrics, closed, answered } = createCounts()
  await using service = await startService({ config: ownDatabase, metrics, maxInFlight: 1 })
  const { port, database } = service
  const user = await service.newUser()
  for (const header of ['', 'Idempotency-Key: ']) {
    using stuck = await openUnread(port)
    const written = () => answered.filter(operation => operation === 'createTask').length
    const created = async () => {
      // The embedded database responds without giving sockets a turn.
      await new Promise(resolve => setImmediate(resolve))
      const { rows } = await sql<{ count: number }>`select count(*)::int as count from task`.execute(database.kysely)
      return rows[0]?.count as number
    }
    const before = closed.length
    for (let count = 0; count < 16; count++) {
      const key = header && `${header}${count}\r\n`
      const post = request('POST', user.path('createTask'), key + jsonHeaders(13), '{"title":"T"}')
      stuck.write(largeRequest.repeat(3) + post)
    }
    // Every task is written, but one response is not: it is queued behind unread ones.
    for (let still = 0; still < 20; ) still = (await created()) > written() ? still + 1 : 0
    t.equal((await user.send.listTasks()).status, 503, 'the unread response still counts as in flight')
    while ((await user.send.listTasks()).status !== 200);
    t.same(closed.slice(before), ['unread'], 'its connection is closed soon, and then it no longer counts')
    // The response that was never written will not be counted as answered.
    answered.push(...Array((await created()) - written()).fill('createTask'))
  }
})
