/** What stands between a handler and the database. */
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { sql } from 'kysely'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { ownDatabase, randomUser, type Service, silent, startService } from '../../scripts/support/service.ts'
import { Problem } from '../../src/contract/problem.ts'
import { createDatabaseAccess } from '../../src/http/database-access.ts'

/** From now on the first `count` inserts of a task fail with `code`; returns how many were tried. */
async function failInserts({ database }: Service, code: string, count: number): Promise<() => Promise<number>> {
  const { kysely: db } = database
  await sql`create sequence attempts`.execute(db)
  // A sequence goes on counting when its transaction is rolled back.
  await sql`create function fail() returns trigger language plpgsql as ${sql.lit(`begin
    if nextval('attempts') <= ${count} then raise exception 'on purpose' using errcode = '${code}'; end if;
    return new; end`)}`.execute(db)
  await sql`create trigger fail before insert on task for each row execute function fail()`.execute(db)
  return async () => {
    const { rows } = await sql<{ last_value: number }>`select last_value from attempts`.execute(db)
    return Number(rows[0]?.last_value)
  }
}

const start = async (more = {}) => startService({ config: ownDatabase, ...more })

t.test('conflicts are tried again, up to three times in all', async t => {
  for (const [code, failures, status, attempts] of [
    ['40001', 2, 201, 3],
    ['40P01', 2, 201, 3],
    ['40001', 3, 503, 3],
    ['40P01', 9, 503, 3],
  ] as const) {
    await using service = await start()
    const tried = await failInserts(service, code, failures)
    const path = `/api/${randomUser()}/tasks`
    const answer = await service.call('POST', path, { title: 'T' })
    t.equal(answer.status, status, `${code}, ${failures} times`)
    t.equal(await tried(), attempts)
    t.equal((await service.call('GET', path)).body.data.length, status === 201 ? 1 : 0)
    if (status === 503) t.equal(answer.headers.get('retry-after'), '1')
  }
})

t.test('nothing else is tried again', async t => {
  for (const [code, status] of [
    ['55P03', 503],
    ['57014', 503],
    ['53200', 503],
    ['22012', 500],
    ['22021', 400],
    ['22P02', 400],
    ['22003', 400],
    ['22008', 400],
  ] as const) {
    await using service = await start()
    const tried = await failInserts(service, code, 1)
    t.equal((await service.call('POST', `/api/${randomUser()}/tasks`, { title: 'T' })).status, status, code)
    t.equal(await tried(), 1)
  }
})

t.test('where too much is waiting, one more is refused at once', async t => {
  await using service = await start({ maxInFlight: 2 })
  const { call, database } = service
  const path = `/api/${randomUser()}/tasks`
  const locked = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  // PGlite has one session; in PostgreSQL the others wait for the lock.
  const holder = database.kysely.transaction().execute(async db => {
    await sql`lock table task in access exclusive mode`.execute(db)
    locked.resolve()
    await release.promise
  })
  await locked.promise
  const waiting = [call('GET', path), call('GET', path)]
  // Both have arrived once a request behind them is answered.
  await call('GET', '/health/live')
  for (const operation of operations.filter(({ responses }) => responses['503'] !== undefined)) {
    const { status, body, headers } = await call(...validRequest(operation))
    t.equal(status, 503, operation.operationId)
    t.equal(body.code, 'overloaded')
    t.equal(headers.get('retry-after'), '1')
  }
  t.equal((await call('GET', `${path}?limit=0`)).status, 400, 'what needs no database is answered')
  t.equal((await call('GET', '/health/live')).status, 200)
  release.resolve()
  await holder
  for (const { status } of await Promise.all(waiting)) t.equal(status, 200, 'and those that waited get their answer')
  t.equal((await call('GET', path)).status, 200)
})

t.test('where the process is too busy, it says so', async t => {
  await using service = await start({ maxEventLoopDelay: 1000 })
  const { call } = service
  const path = `/api/${randomUser()}/tasks`
  const block = () => {
    const end = performance.now() + 2500
    while (performance.now() < end);
  }
  let busy = false
  for (let round = 0; round < 10 && !busy; round++) {
    block()
    // The delay is measured once a second.
    for (let next = 0; next < 5 && !busy; next++) {
      const { status, body } = await call('GET', path)
      busy = status === 503
      if (busy) t.equal(body.code, 'overloaded')
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  t.ok(busy, 'a request was refused')
  t.equal((await call('GET', '/health/live')).status, 200, 'the process is alive')
  while ((await call('GET', path)).status !== 200);
})

t.test('a value that the database refuses is the caller’s, and a bug in the log', async t => {
  const lines: Record<string, any>[] = []
  const logger = Object.assign(Object.create(silent), { error: (line: Record<string, any>) => lines.push(line) })
  await using service = await start({ logger })
  await failInserts(service, '22P02', 1)
  const { status, body, text } = await service.call('POST', `/api/${randomUser()}/tasks`, { title: 'T' })
  t.equal(status, 400)
  t.equal(body.code, 'malformed_request')
  t.notMatch(text, 'on purpose')
  t.match(lines, [{ request_id: body.instance.replace('/requests/', ''), err: { message: 'on purpose' } }])
})

t.test('an outage is told once, and its end', async t => {
  const lines: [level: string, line: Record<string, unknown>, msg: string][] = []
  const logger = Object.assign(Object.create(silent), {
    isLevelEnabled: () => true,
    info: (line: Record<string, unknown>, msg: string) => lines.push(['info', line, msg]),
    warn: (line: Record<string, unknown>, msg: string) => lines.push(['warn', line, msg]),
    error: (line: Record<string, unknown>, msg: string) => lines.push(['error', line, msg]),
  })
  await using service = await start({ logger })
  await failInserts(service, '57P01', 3)
  const path = `/api/${randomUser()}/tasks`
  for (let count = 0; count < 3; count++) t.equal((await service.call('POST', path, { title: 'T' })).status, 503)
  t.equal((await service.call('POST', path, { title: 'T' })).status, 201)
  const told = lines.filter(([, , msg]) => msg?.startsWith('the database'))
  t.match(told, [
    ['error', { error: 'on purpose' }, 'the database is unavailable: requests that need it get 503'],
    ['info', { refused: 3, seconds: Number }, 'the database is available again'],
  ])
  t.equal(told.length, 2)
  const requests = lines.filter(([, { status }]) => status === 503)
  t.equal(requests.length, 3)
  for (const [level, { error }] of requests) t.same([level, error], ['warn', undefined])
})

t.test('what is one request’s own trouble is told with it', async t => {
  const lines: Record<string, unknown>[] = []
  const logger = Object.assign(Object.create(silent), {
    isLevelEnabled: () => true,
    warn: (line: Record<string, unknown>) => lines.push(line),
  })
  await using service = await start({ logger })
  await failInserts(service, '55P03', 1)
  await service.call('POST', `/api/${randomUser()}/tasks`, { title: 'T' })
  t.match(lines, [{ status: 503, error: 'on purpose' }])
})

t.test('a service that stops tells so to who asks for its health, and serves on', async t => {
  const stopping = new AbortController()
  await using service = await start({ stopping: stopping.signal })
  const { call } = service
  stopping.abort()
  const health = await call('GET', '/health')
  t.equal(health.status, 503)
  t.equal(health.body.code, 'stopping')
  const { status, headers } = await call('GET', `/api/${randomUser()}/tasks`)
  t.equal(status, 200)
  t.equal(headers.get('connection'), 'close', 'on this connection for the last time')
  t.equal((await call('GET', '/health/live')).status, 200)
})

t.test('a problem that was found out with the help of the database is none of the database', async t => {
  await using service = await start()
  const { database } = service
  const failures: string[] = []
  const connections = {
    whenWritten: (_response: unknown, done: () => void) => done(),
    shortenDeadline: () => undefined,
  }
  const useDatabase = createDatabaseAccess(database, 1, connections, silent, code => failures.push(code))
  const problem = new Problem('idempotency_key_reused', '')
  await t.rejects(
    useDatabase(
      async () => {
        throw problem
      },
      new ServerResponse(new IncomingMessage(new Socket())),
    ),
    problem,
  )
  t.same(failures, [])
})
