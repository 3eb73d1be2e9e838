/** What is particular to PostgreSQL behind a network: one that is not there yet, or goes away, or will never do. */
import { sql } from 'kysely'
import t from 'tap'
import { createFaultProxy, type FaultProxy } from '../../scripts/support/fault-proxy.ts'
import { runToExit, type ServiceProcess, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import {
  client,
  onPostgres,
  ownDatabase,
  randomUser,
  type Service,
  silent,
  type Test,
} from '../../scripts/support/service.ts'
import { type Database, openDatabase } from '../../src/database/open.ts'

const isWaiting = (line: Record<string, unknown>) => line.msg === 'the database is not available yet; waiting for it'

/** PGlite has one session, in which two connections cannot prepare the same statement. */
const prepared = onPostgres ? {} : { DATABASE_PREPARED: 'off' }

/** Starts the service behind a proxy, with one connection for each purpose, which only the test uses. */
const startBehind = ({ url }: FaultProxy): Promise<ServiceProcess> =>
  startProcess({ DATABASE_URL: url, DATABASE_POOL_SIZE: '3', PURGE_INTERVAL: '0', LOG_LEVEL: 'debug', ...prepared })

t.test('a PostgreSQL that is not there is said once and waited for', async t => {
  await using proxy = await createFaultProxy(await ownDatabase(t))
  const { url } = proxy
  const env = { DATABASE_URL: url.replace('postgres@', 'someone:hunter2@') }
  await using service = await startProcess(env)
  const { origin, log, logged, end } = service
  await logged(isWaiting)
  const { call } = client(origin)
  const { status, headers } = await call('GET', '/health')
  t.equal(status, 503)
  t.equal(headers.get('retry-after'), '1')
  t.equal((await call('GET', `/api/${randomUser()}/tasks`)).status, 503)
  t.equal((await call('GET', `/api/${randomUser()}/tasks?limit=0`)).status, 400)
  t.equal((await call('GET', '/health/live')).status, 200)

  const { pathname, searchParams } = new URL(url.replace('@/', '@socket/'))
  t.match(
    log.find(({ msg }) => msg.startsWith('listening'))?.msg,
    `tasks in PostgreSQL at ${searchParams.get('host')}:5432${pathname}`,
  )
  t.match(log.find(isWaiting), { level: 40, error: /ENOENT/ })
  t.notMatch(JSON.stringify(log), /hunter2|someone/)
  t.same(await end('SIGTERM'), { code: 0, signal: null }, 'waiting does not hold up the stop')
})

t.test('when it comes, the service becomes healthy by itself, and it outlives lost connections', async t => {
  await using proxy = await createFaultProxy(await ownDatabase(t))
  await using running = await startBehind(proxy)
  await running.logged(isWaiting)
  await proxy.listen()
  await running.logged(line => line.msg === 'the database is available')
  t.equal(running.log.filter(isWaiting).length, 1, 'the waiting was said once')
  await untilHealthy(running.origin)
  const service = client(running.origin)
  const user = randomUser()
  const task = await service.create(user)

  proxy.cut()
  await running.logged(line => line.msg === 'a database connection was lost')
  t.same(await eventually(service, `/api/${user}/tasks/${task.id}`), task, 'the next request gets a new connection')
  await endedWell(t, running)
})

/** Opens the database behind a proxy that accepts connections. */
async function openBehind(test: Test): Promise<{ proxy: FaultProxy; db: Database['kysely'] } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const proxy = stack.use(await createFaultProxy(await ownDatabase(test)))
  await proxy.listen()
  const config = { databaseUrl: proxy.url, dataDir: '', poolSize: 5, isPrepared: onPostgres }
  const { kysely, close } = await openDatabase(config, silent)
  stack.defer(close)
  const resources = stack.move()
  return { proxy, db: kysely, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

t.test('a connection that is lost while it is set up concerns only what asked for it', async t => {
  await using opened = await openBehind(t)
  const { proxy, db } = opened
  const alone = () => sql`select 1`.execute(db)
  const inTransaction = () => db.transaction().execute(transaction => sql`select 1`.execute(transaction))
  proxy.cutAt('request', 'set datestyle')
  await t.rejects(alone())
  await t.rejects(inTransaction())
  proxy.cutAt('request', 'nothing is asked like this')
  t.equal((await alone()).rows.length, 1)
  t.equal((await inTransaction()).rows.length, 1)
})

t.test('how many rows a statement concerned', async t => {
  await using opened = await openBehind(t)
  const { db } = opened
  t.equal((await sql`select from generate_series(1, 3)`.execute(db)).numAffectedRows, 3n)
  t.equal((await sql`set timezone to 'UTC'`.execute(db)).numAffectedRows, 0n, 'none, where it is none of rows')
})

t.test('results are not streamed', async t => {
  await using opened = await openBehind(t)
  const { db } = opened
  await t.rejects(db.selectFrom('task').selectAll().stream().next(), { message: /not streamed/ })
})

t.test('while it is away, what needs it is 503 and bad requests are still told so', async t => {
  await using proxy = await createFaultProxy(await ownDatabase(t))
  await proxy.listen()
  await using running = await startBehind(proxy)
  await untilHealthy(running.origin)
  const service = client(running.origin)
  const path = `/api/${randomUser()}/tasks`
  await service.call('POST', path, { title: 'Kept' })

  proxy.close()
  await running.logged(line => line.msg === 'a database connection was lost')
  for (const [method, url] of [
    ['GET', path],
    ['POST', path],
  ] as const) {
    const { status, headers } = await service.call(method, url, method === 'POST' ? { title: 'Lost' } : undefined)
    t.equal(status, 503, `${method} ${url}`)
    t.equal(headers.get('retry-after'), '1')
  }
  // What it was is remembered for a moment.
  while ((await service.call('GET', '/health')).status !== 503);
  t.equal((await service.call('GET', `${path}?limit=0`)).status, 400)
  t.equal((await service.call('GET', '/health/live')).status, 200)

  await proxy.listen()
  t.match(await eventually(service, path), { data: [{ title: 'Kept' }] })
  await endedWell(t, running)
})

t.test('a connection that went silent is given up, and not used again', async t => {
  await using proxy = await createFaultProxy(await ownDatabase(t))
  await proxy.listen()
  await using running = await startBehind(proxy)
  await untilHealthy(running.origin)
  const { call } = client(running.origin)
  const path = `/api/${randomUser()}/tasks`
  const others = `/api/${randomUser()}/tasks`
  const createKeyed = (key: string, to = path) => call('POST', to, { title: 'T' }, { 'idempotency-key': key })
  t.equal((await createKeyed('before')).status, 201)
  t.equal((await call('GET', path)).status, 200)
  proxy.silence()
  const reads = [call('GET', path), call('GET', others)]
  const first = createKeyed('first')
  const second = await createKeyed('second', others)
  t.match([second.status, second.body.code], [503, 'overloaded'], 'who waits for the only connection gives up first')
  for (const answer of await Promise.all([first, ...reads])) {
    t.match(answer.body, { status: 503, code: 'database_unavailable' }, 'when the timeout is over')
  }
  t.equal((await call('GET', path)).status, 200, 'on a new connection')
  t.match(
    running.log.find(({ msg }) => msg === 'the database is available again'),
    { refused: 3 },
    'which is no outage',
  )
  await endedWell(t, running)
})

t.test('a connection that goes silent while the schema is looked at is given up, and another one tried', async t => {
  await using proxy = await createFaultProxy(await ownDatabase(t))
  await proxy.listen()
  for (const text of ['server_version_num', 'kysely_migration']) {
    proxy.silenceAt('request', text)
    await using running = await startBehind(proxy)
    const { error } = await running.logged(isWaiting)
    t.equal(error, 'Query read timeout', text)
    proxy.silenceAt('request', 'nothing')
    await untilHealthy(running.origin)
    await endedWell(t, running)
  }
})

t.test('a connection that breaks while it is set up is no failure of another kind', async t => {
  await using proxy = await createFaultProxy(await ownDatabase(t))
  await proxy.listen()
  await using running = await startBehind(proxy)
  await untilHealthy(running.origin)
  proxy.cut()
  proxy.cutAt('request', 'set datestyle')
  await running.logged(line => line.msg === 'a database connection was lost')
  const { status, headers } = await client(running.origin).call('GET', `/api/${randomUser()}/tasks`)
  t.equal(status, 503)
  t.equal(headers.get('retry-after'), '1')
  await endedWell(t, running)
})

t.test('a write whose answer is lost is 503, and not sent again', async t => {
  await using proxy = await createFaultProxy(await ownDatabase(t))
  await proxy.listen()
  await using running = await startBehind(proxy)
  await untilHealthy(running.origin)
  const { call } = client(running.origin)
  const path = `/api/${randomUser()}/tasks`
  const title = 'Stored, and nobody was told'
  proxy.cutAt('response', title)
  const { status, headers } = await call('POST', path, { title })
  t.equal(status, 503)
  t.equal(headers.get('retry-after'), '1')
  t.equal(proxy.cuts, 1, 'it was sent once')
  proxy.cutAt('response', 'nothing')
  const { data } = (await call('GET', path)).body
  t.equal(data.length, 1, 'it may have been done: the answer says no more than that')
  await endedWell(t, running)
})

t.test('a transaction tells of its first error, and not of the rollback that failed for it', async t => {
  await using proxy = await createFaultProxy(await ownDatabase(t))
  await proxy.listen()
  await using stack = new AsyncDisposableStack()
  const database = await openDatabase({ databaseUrl: proxy.url, dataDir: '', poolSize: 3 }, silent)
  stack.defer(() => database.close())
  proxy.cutAt('request', 'select 7')
  await t.rejects(
    database.kysely.transaction().execute(db => sql`select 7`.execute(db)),
    { message: 'Connection terminated unexpectedly' },
  )
  const { rows } = await sql`select 8 as eight`.execute(database.kysely)
  t.same(rows, [{ eight: 8 }], 'the next one has another connection')
})

t.test('a database that is there at once needs no word', async t => {
  await using proxy = await createFaultProxy(await ownDatabase(t))
  await proxy.listen()
  await using running = await startBehind(proxy)
  await untilHealthy(running.origin)
  t.notOk(running.log.some(isWaiting))
  await endedWell(t, running)
})

t.test('a connection string that cannot be used ends in one sentence', async t => {
  for (const [url, reason] of [
    ['postgresql://postgres:%E0@localhost/tasks', 'URI malformed'],
    ['postgresql://localhost/tasks?port=abc', 'its port must be a number from 1 to 65535'],
    ['postgresql://localhost/tasks?port=99999', 'its port must be a number from 1 to 65535'],
    ['postgresql://localhost/tasks?sslrootcert=/nowhere/ca.pem', 'ENOENT.*/nowhere/ca.pem.*'],
  ]) {
    const { code, stderr } = await runToExit({ DATABASE_URL: url as string })
    t.equal(code, 1)
    t.match(stderr, new RegExp(`^DATABASE_URL cannot be used: ${reason}\\.\n$`))
  }
})

/** The body of the first answer that is not 503. */
async function eventually({ call }: Pick<Service, 'call'>, path: string): Promise<unknown> {
  for (;;) {
    const { status, body } = await call('GET', path)
    if (status !== 503) return body
  }
}

async function endedWell(test: Pick<typeof t, 'same'>, { end }: ServiceProcess): Promise<void> {
  test.same(await end('SIGTERM'), { code: 0, signal: null })
}
