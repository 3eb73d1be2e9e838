/** What connections may hold, and that those that hold too much harm no others. */
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client, ownDatabase, randomUser, silent, startService, type Test } from '../../scripts/support/service.ts'
import { conversation, openConnection } from '../../scripts/support/socket.ts'
import type { Database } from '../../src/database/open.ts'
import { type CloseReason, watchConnections } from '../../src/http/connections.ts'
import type { Metrics } from '../../src/process/metrics.ts'
import { bearer, secret } from '../support/issuer.ts'

const BUNDLE = '/docs/static/swagger-ui-bundle.js'

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`

/** Counts what the service counts, and lets a test wait for it. */
function createCounts() {
  const closed: CloseReason[] = []
  const answered: (string | undefined)[] = []
  let changed = Promise.withResolvers<void>()
  const metrics: Metrics = {
    answered: operation => answered.push(operation),
    databaseFailed: () => undefined,
    connectionClosed(reason) {
      closed.push(reason)
      changed.resolve()
      changed = Promise.withResolvers()
    },
    jobFinished: () => undefined,
    listen: async () => '',
  }
  const untilClosed = async (reason: CloseReason) => {
    while (!closed.includes(reason)) await changed.promise
  }
  return { metrics, closed, answered, untilClosed }
}

/** Opens a connection whose responses stay unread, and which the server may close at any time. */
async function openUnread(test: Test, port: number): Promise<Socket> {
  const socket = await openConnection(port)
  test.teardown(() => socket.destroy())
  return socket.pause()
}

/** Keeps requests that need tasks waiting, until the function that is returned is called. */
async function lockTasks({ kysely }: Database): Promise<() => Promise<void>> {
  const locked = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const holder = kysely.transaction().execute(async db => {
    await sql`lock table task in access exclusive mode`.execute(db)
    locked.resolve()
    await release.promise
  })
  await locked.promise
  return () => {
    release.resolve()
    return holder
  }
}

const statusesOf = (received: string) =>
  [...received.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map(([, status]) => Number(status))

const idsOf = (received: string) => [...received.matchAll(/^x-request-id: (\d+)\r$/gm)].map(([, id]) => Number(id))

t.test('a client that pipelines and reads gets all responses, in order', async t => {
  await using service = await startService()
  const { port } = service
  const path = `/api/${randomUser()}/tasks`
  const ids = Array.from({ length: 64 }, (_, index) => index)
  const paths = [path, '/health/live', BUNDLE, '/nowhere']
  const requests = ids.map(id => get(paths[id % 4] as string, `X-Request-Id: ${id}\r\n`))
  requests.push(requests.pop()?.replace('Host', 'Connection: close\r\nHost') as string)
  const received = await conversation(port, requests.join(''))
  t.same(idsOf(received), ids)
  t.same(
    statusesOf(received),
    ids.map(id => (id % 4 === 3 ? 404 : 200)),
  )
})

t.test('a few requests of a connection are worked on at a time', async t => {
  await using service = await startService({ config: ownDatabase, maxInFlight: 5 })
  const { port, call, database } = service
  const path = `/api/${randomUser()}/tasks`
  const release = await lockTasks(database)
  const requests = Array.from({ length: 9 }, () => get(path)).join('')
  const socket = await openConnection(port)
  socket.write(requests + get(path, 'Connection: close\r\n'))
  const pipelined = text(socket)
  await call('GET', '/health/live')
  const other = call('GET', path)
  await call('GET', '/health/live')
  t.equal((await call('GET', path)).status, 503, 'four of the one, one of another: one more is too much')
  await release()
  t.equal((await other).status, 200)
  t.same(statusesOf(await pipelined), Array(10).fill(200), 'and each gets its turn')
})

t.test('a connection with too many unanswered requests is closed', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  const service = await startService({ metrics })
  t.teardown(() => service[Symbol.asyncDispose]())
  const { port, call } = service
  const user = randomUser()
  const post = `POST /api/${user}/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n`
  const most = await conversation(port, get('/health/live').repeat(63) + get('/health/live', 'Connection: close\r\n'))
  t.equal(statusesOf(most).length, 64)
  t.same(closed, [])

  const socket = await openUnread(t, port)
  socket.write(`${get('/health/live').repeat(65)}${post}{"title":"T"}`)
  await untilClosed('unanswered')
  t.same(closed, ['unanswered'])
  t.same((await call('GET', `/api/${user}/tasks`)).body.data, [], 'what came with them is not worked on')
})

t.test('a response that nobody reads costs its connection', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  const warnings: unknown[][] = []
  const logger = Object.assign(Object.create(silent), { warn: (...line: unknown[]) => warnings.push(line) })
  const service = await startService({ metrics, logger, responseTimeout: 300 })
  t.teardown(() => service[Symbol.asyncDispose]())
  const { port, call } = service
  const stuck = await openUnread(t, port)
  stuck.write(get(BUNDLE).repeat(30))
  await untilClosed('unread')
  t.same(closed, ['unread'])
  // The sweep that closes connections logs them.
  await call('GET', '/health/live')
  t.same(warnings, [[{ unread: 1 }, 'connections closed to enforce limits']])
})

t.test('nor does reading a little now and then keep it', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  const service = await startService({ metrics, responseTimeout: 1000 })
  t.teardown(() => service[Symbol.asyncDispose]())
  const { port } = service
  const dripping = await openUnread(t, port)
  dripping.write(get(BUNDLE).repeat(30))
  let read = 0
  // Each time the system's buffer has room again, and the server can write.
  const drip = setInterval(() => {
    read += dripping.read(1000)?.length ?? 0
  }, 5)
  t.teardown(() => clearInterval(drip))
  await untilClosed('unread')
  t.same(closed, ['unread'])
  t.ok(read > 50_000, 'it has read all the while')
})

t.test('a connection that waits for the service is not the reader’s fault', async t => {
  const { metrics, closed } = createCounts()
  await using config = await ownDatabase()
  await using service = await startService({ config, metrics, responseTimeout: 50 })
  const { port, database } = service
  const path = `/api/${randomUser()}/tasks`
  const release = await lockTasks(database)
  const pipelined = conversation(port, get(path) + get('/health/live', 'Connection: close\r\n'))
  // Many times as long as a response may stay unread.
  const end = performance.now() + 500
  while (performance.now() < end) await new Promise(resolve => setImmediate(resolve))
  await release()
  t.same(statusesOf(await pipelined), [200, 200])
  t.same(closed, [])
})

t.test('over the bound on unsent bytes those who hold most are closed', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  const service = await startService({ metrics, maxUnsentBytes: 8_000_000 })
  t.teardown(() => service[Symbol.asyncDispose]())
  const { port, origin } = service
  const size = (await (await fetch(origin + BUNDLE)).arrayBuffer()).byteLength
  for (let count = 0; count < 3; count++) (await openUnread(t, port)).write(get(BUNDLE).repeat(30))
  await untilClosed('unsent')
  t.same([...new Set(closed)], ['unsent'])
  const read = await fetch(origin + BUNDLE)
  t.equal((await read.arrayBuffer()).byteLength, size, 'one who reads is served')
})

t.test('a request is in flight until its response is written', async t => {
  const { metrics, closed, answered } = createCounts()
  const config = await ownDatabase()
  t.teardown(() => config[Symbol.asyncDispose]())
  const service = await startService({ config, metrics, maxInFlight: 1 })
  t.teardown(() => service[Symbol.asyncDispose]())
  const { port, call, database } = service
  const path = `/api/${randomUser()}/tasks`
  for (const header of ['', 'Idempotency-Key: ']) {
    const stuck = await openUnread(t, port)
    const written = () => answered.filter(operation => operation === 'createTask').length
    const created = async () => {
      // The embedded database answers without giving sockets a turn.
      await new Promise(resolve => setImmediate(resolve))
      const { rows } = await sql<{ count: number }>`select count(*)::int as count from task`.execute(database.kysely)
      return rows[0]?.count as number
    }
    const before = closed.length
    for (let count = 0; count < 16; count++) {
      const key = header && `${header}${count}\r\n`
      const post = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${key}Content-Length: 13\r\n\r\n`
      stuck.write(`${get(BUNDLE).repeat(3)}${post}{"title":"T"}`)
    }
    // Every task is written, but one response: it stands behind those that are not read.
    for (let still = 0; still < 20; ) still = (await created()) > written() ? still + 1 : 0
    t.equal((await call('GET', path)).status, 503, 'and takes a place')
    while ((await call('GET', path)).status !== 200);
    t.same(closed.slice(before), ['unread'], 'which is free as soon as its connection is closed, and that is soon')
    // It counts as answered no more.
    answered.push(...Array((await created()) - written()).fill('createTask'))
  }
})

t.test('no place is lost to clients that hang up or ask for what is not there', async t => {
  await using service = await startService({ config: ownDatabase, maxInFlight: 4 })
  const { port, call, database } = service
  const path = `/api/${randomUser()}/tasks`
  const lost = get(`${path}/00000000-0000-4000-8000-000000000000`)
  for (let round = 0; round < 20; round++) {
    const socket = await openConnection(port)
    socket.write((get(path) + lost).repeat(3))
    // Some are at work then, some are written, some have not begun.
    if (round % 2 === 0) await once(socket, 'readable')
    socket.resetAndDestroy()
  }
  const release = await lockTasks(database)
  const waiting = await openConnection(port)
  waiting.write(get(path))
  await call('GET', '/health/live')
  waiting.resetAndDestroy()
  await once(waiting, 'close')
  await call('GET', '/health/live')
  await release()
  const answers = async () => Promise.all(Array.from({ length: 4 }, () => call('GET', path)))
  while ((await answers()).some(({ status }) => status !== 200));
  t.same(
    (await answers()).map(({ status }) => status),
    [200, 200, 200, 200],
  )
})

t.test('a new connection takes the place of the one that is idle longest', async t => {
  const { metrics, closed, untilClosed } = createCounts()
  const service = await startService({ metrics, maxConnections: 3 })
  t.teardown(() => service[Symbol.asyncDispose]())
  const { port } = service
  const ask = async (socket: Socket) => {
    socket.write(get('/health/live'))
    return String((await once(socket, 'data'))[0]).slice(0, 15)
  }
  const sockets: Socket[] = []
  const open = async () => {
    const socket = await openConnection(port)
    t.teardown(() => socket.destroy())
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
  t.same(closed, ['room'], 'one that has never asked for anything is idle, too')
  t.equal(await ask(first), 'HTTP/1.1 200 OK', 'one that was used since is not touched')

  const rest = sockets.filter(socket => socket !== silentOne)
  const post = `POST /api/${randomUser()}/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n`
  const answers = rest.map(socket => {
    // Expect: the answer to it tells that the request is in progress.
    socket.write(`${post}Expect: 100-continue\r\nContent-Length: 13\r\n\r\n`)
    return once(socket, 'data')
  })
  for (const [chunk] of await Promise.all(answers)) t.match(String(chunk), /^HTTP\/1\.1 100 /)
  const refused = await openConnection(port)
  t.equal(await text(refused), '', 'where none is idle, the new one is closed')
  await untilClosed('full')
  t.same(closed, ['room', 'full'])
  const ends = rest.map(async socket => {
    socket.write('{"title":"T"}')
    return text(socket)
  })
  for (const received of await Promise.all(ends)) t.match(received, /^HTTP\/1\.1 201 /, 'and no other is')
})

t.test('the reference opens no files', { skip: process.platform !== 'linux' && 'needs /proc' }, async t => {
  const service = await startService()
  t.teardown(() => service[Symbol.asyncDispose]())
  const { port, call } = service
  for (const path of [BUNDLE, '/docs/static/./swagger-ui-bundle.js']) {
    const unread = await openUnread(t, port)
    unread.write(get(path).repeat(30))
  }
  await call('GET', '/health/live')
  t.same(
    openFiles().filter(file => file.includes('swagger-ui')),
    [],
  )
})

/** The names of this process's open files. */
const openFiles = () =>
  readdirSync('/proc/self/fd').flatMap(descriptor => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)]
    } catch {
      // The one by which the folder was read.
      return []
    }
  })

t.test('a process with few files serves others while connections are exhausted', async t => {
  const config = await ownDatabase(t)
  const env = { ...environment(config), AUTH_SECRET: secret, LOG_LEVEL: 'info' }
  await using running = await startProcess(env, { openFiles: 1000 })
  await untilHealthy(running.origin)
  // Until the database was ready, health was 503.
  const before = running.log.length
  const port = Number(new URL(running.origin).port)
  const user = randomUser()
  const token = await bearer(user)
  const { create, call } = client(running.origin)

  const durations: number[] = []
  let isOver = false
  const attack = async () => {
    const unread = await openUnread(t, port)
    unread.write(get(BUNDLE).repeat(1100))
    // Below the number at which all of them are closed.
    const patient = await openUnread(t, port)
    patient.write(get(BUNDLE).repeat(60))
    for (let count = 0; count < 1200; count++) await openUnread(t, port)
    isOver = true
  }
  const watch = async () => {
    while (!isOver) {
      const start = performance.now()
      const { status } = await fetch(`${running.origin}/health/live`, { headers: { connection: 'close' } })
      durations.push(performance.now() - start)
      t.equal(status, 200)
      t.match(await create(user, {}, token), { title: 'A task' })
      t.equal((await call('GET', `/api/${user}/tasks?limit=1`, undefined, token)).status, 200)
    }
  }
  await Promise.all([attack(), watch()])
  // The machine may be busy with other tests, so the usual one counts and not the slowest.
  const median = durations.toSorted((a, b) => a - b)[durations.length >> 1] as number
  t.ok(median < 100, `liveness took ${median} ms`)
  t.equal(running.child.exitCode, null)
  t.match(await running.logged(line => Number(line.room) > 0), {
    level: 40,
    msg: 'connections closed to enforce limits',
  })
  t.ok(running.log.some(line => line.unanswered === 1))
  t.notMatch(JSON.stringify(running.log), /EMFILE/)
  t.notOk(running.log.slice(before).some(({ level, status }) => level >= 50 || Number(status) >= 500))
})

t.test('an accept that fails is logged and ends nothing', async t => {
  const errors: unknown[] = []
  const logger = Object.assign(Object.create(silent), { error: (line: unknown) => errors.push(line) })
  const server = createServer()
  t.teardown(() => server.close())
  watchConnections(server, { maxConnections: 1, responseTimeout: 1000, maxUnsentBytes: 1 }, logger, () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const err = new Error('accept ENFILE')
  server.emit('error', err)
  t.same(errors, [{ err }])
})

t.test('a user’s large bodies that do not end take no more than a share, and others are served', async t => {
  const service = await startService()
  t.teardown(() => service[Symbol.asyncDispose]())
  const { call, port } = service
  const [user, other] = [randomUser(), randomUser()]
  const head = `POST /api/${user}/tasks/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
  const sockets = Array.from({ length: 32 }, () => connect(port, '127.0.0.1'))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (const socket of sockets) socket.write(`${head}Content-Length: 1000000\r\n\r\n{"items":[`)
  const batch = (user: string) =>
    call('POST', `/api/${user}/tasks/batch`, { items: [{ action: 'create', task: { title: 'T' } }] })
  const until = async (user: string, wanted: number) => {
    while ((await batch(user)).status !== wanted) await nextTurn()
  }
  await until(user, 503)
  t.equal((await batch(other)).status, 200)
  for (const socket of sockets.slice(0, 2)) socket.destroy()
  await until(user, 200)
})
