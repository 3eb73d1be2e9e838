/** Database failures, overload and shutdown as a client and the log see them. */
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { onCitus, ownDatabase, type Service, silent, startService } from '../../scripts/support/service.ts'
import { openConnection } from '../../scripts/support/socket.ts'
import { Problem } from '../../src/contract/problem.ts'
import type { Tables } from '../../src/database/tables.ts'
import { createDatabaseAccess } from '../../src/http/database-access.ts'
import { lastRequest } from '../support/bytes.ts'
import { lockTable } from '../support/locks.ts'

/** Blocks the event loop for more than two windows in which the service measures its delay. */
function block(): void {
  const end = performance.now() + 2500
  while (performance.now() < end);
}

interface Failure extends AsyncDisposable {
  /** How many inserts were attempted. */
  attempts(): Promise<number>
}

/** Runs a statement on the server and, on Citus, on each worker: their triggers run there. */
async function runOnNodes(db: Kysely<Tables>, statement: string): Promise<void> {
  await sql.raw(statement).execute(db)
  if (onCitus) await sql`select run_command_on_workers(${statement})`.execute(db)
}

/** Makes the first `count` inserts of a task fail with `code` until it goes out of scope. */
async function failInserts({ database }: Service, code: string, count: number): Promise<Failure> {
  const { kysely: db } = database
  await runOnNodes(db, 'create sequence attempts')
  // A sequence keeps its value when the transaction is rolled back.
  await sql`create function fail() returns trigger language plpgsql as ${sql.lit(`begin
    if nextval('attempts') <= ${count} then raise exception 'on purpose' using errcode = '${code}'; end if;
    return new; end`)}`.execute(db)
  await sql`create trigger fail before insert on task for each row execute function fail()`.execute(db)
  return {
    async attempts() {
      const here = sql`select last_value as result from attempts`
      const onWorkers = sql`run_command_on_workers('select last_value from attempts')`
      const { rows } = await sql<{ value: number }>`
        select max(result::int) as value from ${onCitus ? onWorkers : sql`(${here}) as attempts`}`.execute(db)
      return Number(rows[0]?.value)
    },
    async [Symbol.asyncDispose]() {
      await sql`drop trigger fail on task`.execute(db)
      await sql`drop function fail`.execute(db)
      await runOnNodes(db, 'drop sequence attempts')
    },
  }
}

const service = await startService({ config: ownDatabase })
t.teardown(() => service[Symbol.asyncDispose]())

/** A service of the test's own. */
const start = async (more = {}) => startService({ config: ownDatabase, ...more })

t.test('a write that fails with a serialization failure or deadlock is attempted up to three times', async t => {
  for (const [code, failures, status, attempts] of [
    ['40001', 2, 201, 3],
    ['40P01', 2, 201, 3],
    ['40001', 3, 503, 3],
    ['40P01', 9, 503, 3],
  ] as const) {
    await using failure = await failInserts(service, code, failures)
    const user = await service.newUser()
    const answer = await user.send.createTask({ title: 'T' })
    t.equal(answer.status, status, `${code}, ${failures} times`)
    t.equal(await failure.attempts(), attempts)
    t.equal((await user.listTasks()).data.length, status === 201 ? 1 : 0)
    if (status === 503) t.equal(answer.headers.get('retry-after'), '1')
  }
})

t.test('a write that fails with any other error is attempted once', async t => {
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
    await using failure = await failInserts(service, code, 1)
    const user = await service.newUser()
    t.equal((await user.send.createTask({ title: 'T' })).status, status, code)
    t.equal(await failure.attempts(), 1)
  }
})

t.test('a request over the limit in flight returns 503 at once', async t => {
  await using service = await start({ maxInFlight: 2 })
  const { call, database } = service
  const user = await service.newUser()
  await using lock = await lockTable(database, 'task')
  const waiting = [user.send.listTasks(), user.send.listTasks()]
  // Both have arrived once a later request gets its response.
  await user.getLiveness()
  for (const operation of operations.filter(({ responses }) => responses['503'] !== undefined)) {
    const { status, body, headers } = await call(...validRequest(operation))
    t.equal(status, 503, operation.operationId)
    t.equal(body.code, 'overloaded')
    t.equal(headers.get('retry-after'), '1')
  }
  t.equal((await user.send.listTasks({ query: { limit: 0 } })).status, 400, 'an invalid request needs no database')
  t.equal((await user.send.getLiveness()).status, 200)
  await lock.release()
  for (const { status } of await Promise.all(waiting)) t.equal(status, 200, 'the waiting requests succeed')
  t.equal((await user.send.listTasks()).status, 200)
})

t.test('a request returns 503 while the event loop is delayed too long', async t => {
  await using service = await start({ maxEventLoopDelay: 1000 })
  const user = await service.newUser()
  const paths = [user.path('listTasks'), user.path('getLiveness')]
  const sockets = await Promise.all(paths.map(() => openConnection(service.port)))
  // The service has accepted both once a later request gets its response.
  await user.getLiveness()
  block()
  // Two turns: the timers run in between, so a new window of the measurement has begun.
  for (let turn = 0; turn < 2; turn++) await nextTurn()
  for (const [index, path] of paths.entries()) sockets[index]?.write(lastRequest('GET', path))
  block()
  // The timers run before sockets are read: this window's delay is known when the service sees the requests.
  const [refused, live] = await Promise.all(sockets.map(text))
  t.match(refused, /^HTTP\/1\.1 503 .*"code":"overloaded"/s)
  t.match(live, /^HTTP\/1\.1 200 /, 'liveness is not affected')
  while ((await user.send.listTasks()).status !== 200);
})

t.test('a value that only the database rejects returns 400 and is logged as a bug', async t => {
  const lines: object[] = []
  const logger = Object.assign(Object.create(silent), { error: (line: object) => lines.push(line) })
  await using service = await start({ logger })
  await failInserts(service, '22P02', 1)
  const user = await service.newUser()
  const answer = await user.send.createTask({ title: 'T' })
  if (answer.status !== 400) return t.fail(`the status is ${answer.status}`)
  const { code, instance } = answer.body
  t.equal(code, 'malformed_request')
  t.notMatch(answer.text, 'on purpose')
  t.match(lines, [{ request_id: instance.replace('/requests/', ''), err: { message: 'on purpose' } }])
})

t.test('a database outage is logged once, and so is its end', async t => {
  const lines: [level: string, line: Record<string, unknown>, msg: string][] = []
  const logger = Object.assign(Object.create(silent), {
    isLevelEnabled: () => true,
    info: (line: Record<string, unknown>, msg: string) => lines.push(['info', line, msg]),
    warn: (line: Record<string, unknown>, msg: string) => lines.push(['warn', line, msg]),
    error: (line: Record<string, unknown>, msg: string) => lines.push(['error', line, msg]),
  })
  await using service = await start({ logger })
  await failInserts(service, '25006', 3)
  const user = await service.newUser()
  const create = async () => (await user.send.createTask({ title: 'T' })).status
  for (let count = 0; count < 3; count++) t.equal(await create(), 503)
  t.equal(await create(), 201)
  const logged = lines.filter(([, , msg]) => msg?.startsWith('the database'))
  t.match(logged, [
    ['error', { error: 'on purpose' }, 'the database is unavailable: requests that need it get 503'],
    ['info', { refused: 3, seconds: Number }, 'the database is available again'],
  ])
  t.equal(logged.length, 2)
  const requests = lines.filter(([, { status }]) => status === 503)
  t.equal(requests.length, 3)
  for (const [level, { error }] of requests) t.same([level, error], ['warn', undefined])
})

t.test('a database error that affects one request only is logged with that request', async t => {
  const lines: Record<string, unknown>[] = []
  const logger = Object.assign(Object.create(silent), {
    isLevelEnabled: () => true,
    warn: (line: Record<string, unknown>) => lines.push(line),
  })
  await using service = await start({ logger })
  await failInserts(service, '55P03', 1)
  const user = await service.newUser()
  await user.send.createTask({ title: 'T' })
  t.match(lines, [{ status: 503, error: 'on purpose' }])
})

t.test('while the service is shutting down /health returns 503 and other requests are served', async t => {
  const stopping = new AbortController()
  await using service = await start({ stopping: stopping.signal })
  const user = await service.newUser()
  stopping.abort()
  t.hasStrict(await user.send.getHealth(), { status: 503, body: { code: 'shutting_down' } })
  const { status, headers } = await user.send.listTasks()
  t.equal(status, 200)
  t.equal(headers.get('connection'), 'close', 'the connection is closed after the response')
  t.equal((await user.send.getLiveness()).status, 200)
})

t.test('a problem that a handler throws is not counted as a database failure', async t => {
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
