/** Pipelined requests: their order, how many are processed at a time, and when the connection is closed. */
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { ownDatabase, startService } from '../../scripts/support/service.ts'
import { conversation, openConnection } from '../../scripts/support/socket.ts'
import { jsonHeaders, lastRequest, request, statusesOf } from '../support/bytes.ts'
import { BUNDLE, createCounts, openUnread } from '../support/connections.ts'
import { lockTable } from '../support/locks.ts'

const idsOf = (received: string) => [...received.matchAll(/^x-request-id: (\d+)\r$/gm)].map(([, id]) => Number(id))

t.test('a client that pipelines requests and reads gets all responses in order', async t => {
  await using service = await startService()
  const user = await service.newUser()
  const ids = Array.from({ length: 64 }, (_, index) => index)
  const paths = [user.path('listTasks'), user.path('getLiveness'), BUNDLE, '/nowhere']
  const requests = ids.map(id => {
    const write = id === ids.length - 1 ? lastRequest : request
    return write('GET', paths[id % 4] as string, `X-Request-Id: ${id}\r\n`)
  })
  const received = await conversation(service.port, requests.join(''))
  t.same(idsOf(received), ids)
  t.same(
    statusesOf(received),
    ids.map(id => (id % 4 === 3 ? 404 : 200)),
  )
})

t.test('at most four pipelined requests of a connection are in flight', async t => {
  await using service = await startService({ config: ownDatabase, maxInFlight: 5 })
  const user = await service.newUser()
  const path = user.path('listTasks')
  await using lock = await lockTable(service.database, 'task')
  const socket = await openConnection(service.port)
  socket.write(request('GET', path).repeat(9) + lastRequest('GET', path))
  const pipelined = text(socket)
  await user.getLiveness()
  const other = user.send.listTasks()
  await user.getLiveness()
  t.equal((await user.send.listTasks()).status, 503, 'four of this connection and one of another reach the limit')
  await lock.release()
  t.equal((await other).status, 200)
  t.same(statusesOf(await pipelined), Array(10).fill(200), 'all pipelined requests are processed in turn')
})

t.test('a connection with more than 64 unanswered requests is closed', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  await using service = await startService({ metrics })
  const { port } = service
  const user = await service.newUser()
  const live = user.path('getLiveness')
  const allowed = await conversation(port, request('GET', live).repeat(63) + lastRequest('GET', live))
  t.equal(statusesOf(allowed).length, 64)
  t.same(closed, [])

  using socket = await openUnread(port)
  const post = request('POST', user.path('createTask'), jsonHeaders(13), '{"title":"T"}')
  socket.write(request('GET', live).repeat(65) + post)
  await untilClosed('unanswered')
  t.same(closed, ['unanswered'])
  t.same((await user.listTasks()).data, [], 'the write behind the excess requests is not processed')
})

t.test('requests of clients that disconnect do not stay in flight', async t => {
  await using service = await startService({ config: ownDatabase, maxInFlight: 4 })
  const { port, database } = service
  const user = await service.newUser()
  const path = user.path('listTasks')
  const missing = user.path('getTask', '00000000-0000-4000-8000-000000000000')
  for (let round = 0; round < 20; round++) {
    const socket = await openConnection(port)
    socket.write((request('GET', path) + request('GET', missing)).repeat(3))
    // By then some are in progress, some have been written, some have not started.
    if (round % 2 === 0) await once(socket, 'readable')
    socket.resetAndDestroy()
  }
  await using lock = await lockTable(database, 'task')
  const waiting = await openConnection(port)
  waiting.write(request('GET', path))
  await user.getLiveness()
  waiting.resetAndDestroy()
  await once(waiting, 'close')
  await user.getLiveness()
  await lock.release()
  const statuses = async () => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => user.send.listTasks()))
    return answers.map(({ status }) => status)
  }
  while ((await statuses()).some(status => status !== 200));
  t.same(await statuses(), [200, 200, 200, 200])
})
