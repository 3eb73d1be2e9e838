/** The limit on open connections, and the files that they take. */
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client, ownDatabase, silent, startService } from '../../scripts/support/service.ts'
import { openConnection } from '../../scripts/support/socket.ts'
import { watchConnections } from '../../src/http/connections.ts'
import { jsonHeaders, lastRequest, request } from '../support/bytes.ts'
import { BUNDLE, createCounts, type OpenSocket, openSocket, openUnread } from '../support/connections.ts'
import { bearer, secret } from '../support/issuer.ts'

t.test('closing the service closes connections that have sent nothing', async t => {
  const service = await startService()
  const socket = await openConnection(service.port)
  const closed = once(socket, 'close')
  // Connections are accepted in order.
  t.equal((await service.call('GET', '/health/live')).status, 200)
  await service[Symbol.asyncDispose]()
  await closed
})

t.test('at the limit a new connection replaces the one idle longest, and is closed if none is idle', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  await using service = await startService({ metrics, maxConnections: 3 })
  const { port } = service
  const user = await service.newUser()
  const ask = async (socket: Socket) => {
    socket.write(request('GET', user.path('getLiveness')))
    return String((await once(socket, 'data'))[0]).slice(0, 15)
  }
  using opened = new DisposableStack()
  const sockets: OpenSocket[] = []
  const open = async () => {
    const socket = opened.use(await openSocket(port))
    sockets.push(socket)
    return socket
  }
  const first = await open()
  const silentOne = await open()
  await open()
  t.equal(await ask(first), 'HTTP/1.1 200 OK')
  const closing = once(silentOne.resume(), 'close')
  const newcomer = await open()
  t.equal(await ask(newcomer), 'HTTP/1.1 200 OK')
  await closing
  t.same(closed, ['room'], 'a connection without any request counts as idle')
  t.equal(await ask(first), 'HTTP/1.1 200 OK', 'a connection that was used since stays open')

  const rest = sockets.filter(socket => socket !== silentOne)
  // The interim response shows that the request is in progress.
  const post = lastRequest('POST', user.path('createTask'), `Expect: 100-continue\r\n${jsonHeaders(13)}`)
  const answers = rest.map(socket => {
    socket.write(post)
    return once(socket, 'data')
  })
  for (const [chunk] of await Promise.all(answers)) t.match(String(chunk), /^HTTP\/1\.1 100 /)
  const refused = await openConnection(port)
  t.equal(await text(refused), '', 'with none idle the new connection is closed')
  await untilClosed('full')
  t.same(closed, ['room', 'full'])
  const ends = rest.map(async socket => {
    socket.write('{"title":"T"}')
    return text(socket)
  })
  for (const received of await Promise.all(ends)) t.match(received, /^HTTP\/1\.1 201 /, 'the others stay open')
})

t.test('serving the reference opens no files', { skip: process.platform !== 'linux' && 'needs /proc' }, async t => {
  await using service = await startService()
  const user = await service.newUser()
  using sockets = new DisposableStack()
  for (const path of [BUNDLE, '/docs/./reference.js']) {
    sockets.use(await openUnread(service.port)).write(request('GET', path).repeat(30))
  }
  await user.getLiveness()
  t.same(
    openFiles().filter(file => file.includes('scalar')),
    [],
  )
})

/** The names of this process's open files. */
const openFiles = () =>
  readdirSync('/proc/self/fd').flatMap(descriptor => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)]
    } catch {
      // The descriptor through which the folder was read.
      return []
    }
  })

t.test('a process that runs out of connections and files keeps serving other clients', async t => {
  await using config = await ownDatabase()
  const env = { ...environment(config), AUTH_SECRET: secret, LOG_LEVEL: 'info' }
  await using running = await startProcess(env, { openFiles: 1000 })
  await untilHealthy(running.origin)
  // Until the database was ready, health was 503.
  const before = running.log.length
  const port = Number(new URL(running.origin).port)
  const user = await client(running.origin).newUser({ header: bearer })

  // The same machine, but no attack.
  await using calmConfig = await ownDatabase()
  await using calm = await startProcess({ ...environment(calmConfig), AUTH_SECRET: secret })
  const neighbour = await client(calm.origin).newUser()
  const ownConnection = { header: { connection: 'close' } }
  /** Milliseconds until a new client gets a response. */
  const respond = async ({ send }: User) => {
    const start = performance.now()
    t.equal((await send.getLiveness(ownConnection)).status, 200)
    return performance.now() - start
  }
  const durations: { attacked: number; calm: number }[] = []
  let isOver = false
  using sockets = new DisposableStack()
  const open = async () => sockets.use(await openUnread(port))
  const attack = async () => {
    const unread = await open()
    unread.write(request('GET', BUNDLE).repeat(1100))
    // Below the number of unanswered requests that closes a connection.
    const patient = await open()
    patient.write(request('GET', BUNDLE).repeat(60))
    for (let count = 0; count < 1200; count++) await open()
    isOver = true
  }
  const watch = async () => {
    while (!isOver) {
      durations.push({ attacked: await respond(user), calm: await respond(neighbour) })
      // An idle connection may be closed while a request is on its way, so each request has its own.
      t.match(await user.createTask({ title: 'A task' }, ownConnection), { title: 'A task' })
      t.equal((await user.send.listTasks({ query: { limit: 1 }, ...ownConnection })).status, 200)
    }
  }
  await Promise.all([attack(), watch()])
  // A ratio, because the machine may be busy with other tests; of medians, because single requests may be disturbed.
  const [attacked, unaffected] = (['attacked', 'calm'] as const).map(which => median(durations.map(one => one[which])))
  t.ok(
    Number(attacked) < 50 * Number(unaffected),
    `liveness took ${attacked} ms, and ${unaffected} ms without an attack`,
  )
  t.equal(running.child.exitCode, null)
  t.match(await running.logged(line => Number(line.room) > 0), {
    level: 40,
    msg: 'connections closed to enforce limits',
  })
  t.ok(running.log.some(line => line.unanswered === 1))
  t.notMatch(JSON.stringify(running.log), /EMFILE/)
  t.notOk(running.log.slice(before).some(({ level, status }) => level >= 50 || Number(status) >= 500))
})

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number

t.test('a failed accept is logged and does not stop the server', async t => {
  const errors: unknown[] = []
  const logger = Object.assign(Object.create(silent), { error: (line: unknown) => errors.push(line) })
  await using server = createServer()
  watchConnections(server, { maxConnections: 1, responseTimeout: 1000, maxUnsentBytes: 1 }, logger, () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const err = new Error('accept ENFILE')
  server.emit('error', err)
  t.same(errors, [{ err }])
})
