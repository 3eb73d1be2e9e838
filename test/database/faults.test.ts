/** Faults of a real PostgreSQL: killed backends, locks, failovers, restarts, missing rights. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type pg from 'pg'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { findBinaries, startCluster } from '../../scripts/support/cluster.ts'
import { operations } from '../../scripts/support/contract.ts'
import { connect, execute } from '../../scripts/support/database.ts'
import { untilHealthy } from '../../scripts/support/process.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { type Answer, onPostgres, startService } from '../../scripts/support/service.ts'

if (!onPostgres || (findBinaries() === undefined && !process.env.CI)) {
  t.plan(0, 'these need the binaries of PostgreSQL; `npm run test:postgres` has them')
  process.exit(0)
}

const cluster = await startCluster()
t.teardown(() => cluster[Symbol.asyncDispose]())
const poolSize = 3
const service = await startService({ config: { databaseUrl: cluster.url, dataDir: '', poolSize } })
t.teardown(() => service[Symbol.asyncDispose]())

/** Waits until the service waits for a lock; returns its backend. */
async function waitingBackend(admin: pg.Client): Promise<number> {
  for (;;) {
    const { rows } = await admin.query(
      `select pid from pg_stat_activity where application_name = 'task-service' and wait_event_type = 'Lock'`,
    )
    if (rows.length > 0) return rows[0].pid
    await sleep(5)
  }
}

/** Waits for a response that is not 503; returns how many were. */
async function recovery(user: User): Promise<number> {
  let refused = 0
  for (; (await user.send.listTasks()).status === 503; refused++) await sleep(5)
  return refused
}

function assertUnavailable(
  test: Pick<typeof t, 'equal' | 'match'>,
  { status, headers, body }: Pick<Answer, 'status' | 'headers'> & { body: unknown },
  why: string,
): void {
  test.equal(status, 503, why)
  test.equal(headers.get('retry-after'), '1')
  test.match(body, { code: 'database_unavailable' })
}

const task = { title: 'A task' }

t.test('a write whose backend is killed returns 503 and changes nothing', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask(task)
  await using admin = await connect(cluster.url)
  await admin.query('begin')
  await admin.query('select from user_clock where user_id = $1 for update', [alice.id])
  const answer = alice.send.updateTask(id, { title: 'Never' })
  await admin.query('select pg_terminate_backend($1)', [await waitingBackend(admin)])
  assertUnavailable(t, await answer, 'the write')
  await admin.query('rollback')
  const { status, body } = await alice.send.getTask(id)
  t.equal(status, 200, 'the next request has another connection')
  t.match(body, { title: 'A task' }, 'the task is unchanged')
})

t.test('a write that waits too long for a lock returns 503, and reads do not wait', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask(task)
  await using admin = await connect(cluster.url)
  await admin.query('begin')
  await admin.query('select from task where user_id = $1 for update', [alice.id])
  assertUnavailable(t, await alice.send.updateTask(id, { title: 'Later' }), 'after the lock timeout')
  t.equal((await alice.send.getTask(id)).status, 200, 'reads do not wait')
  await admin.query('rollback')
  t.equal((await alice.send.updateTask(id, { title: 'Later' })).status, 200)
})

t.test('a write that runs into a deadlock is retried and returns 200', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask(task)
  await using admin = await connect(cluster.url)
  await admin.query('begin')
  await admin.query(`set local deadlock_timeout = '60s'`)
  await admin.query('select from user_clock where user_id = $1 for update', [alice.id])
  // The service locks the task before the clock; this transaction does the opposite.
  const answer = alice.send.updateTask(id, { title: 'Changed' })
  await waitingBackend(admin)
  await admin.query('select from task where user_id = $1 and id = $2 for update', [alice.id, id])
  await admin.query('commit')
  t.equal((await answer).status, 200)
})

t.test('a database that becomes read-only, as in a failover, makes writes return 503', async t => {
  const alice = await service.newUser()
  await alice.createTask(task)
  await execute(cluster.url, 'alter database postgres set default_transaction_read_only = on')
  // Open connections keep their setting, so they are ended, as a failover would end them.
  await endConnections()
  assertUnavailable(t, await alice.send.createTask(task), 'a write')
  t.equal((await alice.send.listTasks()).status, 200, 'reads still work')
  assertUnavailable(t, await alice.send.getHealth(), 'the health check writes')
  await execute(
    cluster.url,
    'set default_transaction_read_only = off',
    'alter database postgres reset default_transaction_read_only',
  )
  t.equal((await alice.send.createTask(task)).status, 201, 'read-only connections are not used again')
  await untilHealthy(service.origin)
})

/** Ends all of the service's connections and waits until they are gone. */
async function endConnections(): Promise<void> {
  await using admin = await connect(cluster.url)
  const others = `from pg_stat_activity where application_name = 'task-service'`
  await admin.query(`select pg_terminate_backend(pid) ${others}`)
  while ((await admin.query(`select ${others}`)).rowCount !== 0) await sleep(5)
  // The service notices a moment later; requests until then may fail.
  await recovery(await service.newUser())
}

t.test('a role that may only read and write rows suffices; without a free connection requests return 503', async t => {
  await execute(
    cluster.url,
    'create role app login',
    'grant select on kysely_migration to app',
    'grant select, insert, update, delete on task, user_clock, idempotency_key, heartbeat to app',
  )
  const config = { databaseUrl: cluster.url.replace('postgres@', 'app@'), dataDir: '', poolSize }
  await using service = await startService({ config })
  const alice = await service.newUser()
  const { id } = await alice.createTask(task)
  for (const operation of operations) {
    const { status } = await service.call(...validRequest(operation, alice.id, { id }))
    t.ok(status < 500, `${operation.operationId} is ${status}`)
  }
  await execute(cluster.url, 'alter role app connection limit 0')
  await endConnections()
  assertUnavailable(t, await alice.send.listTasks(), 'too many connections')
  await execute(cluster.url, 'alter role app connection limit -1')
  t.equal((await alice.send.listTasks()).status, 200)
})

t.test('migrations may have a role of their own', async t => {
  await execute(
    cluster.url,
    'create role server login',
    'create database separate',
    'grant connect on database separate to server',
  )
  const migrationUrl = cluster.url.replace('/postgres?', '/separate?')
  await execute(migrationUrl, 'alter default privileges grant select, insert, update, delete on tables to server')
  const databaseUrl = migrationUrl.replace('postgres@', 'server@')
  await using service = await startService({ config: { databaseUrl, migrationUrl, dataDir: '', poolSize } })
  const alice = await service.newUser()
  t.match(await alice.createTask(task), { title: 'A task' })
  t.equal((await alice.send.getHealth()).status, 200)
})

for (const mode of ['fast', 'immediate'] as const) {
  t.test(`after a restart in mode ${mode} no more requests fail than there are connections`, async t => {
    const alice = await service.newUser()
    const before = await alice.createTask(task)
    let restarted = false
    const statuses = new Set<number>()
    const load = async () => {
      while (!restarted) statuses.add((await alice.send.listTasks()).status)
    }
    const loads = [load(), load(), load()]
    await cluster.restart(mode)
    const refused = await recovery(alice)
    restarted = true
    await Promise.all(loads)
    t.ok(refused <= poolSize, `${refused} failed`)
    t.same(
      [...statuses].filter(status => status !== 200 && status !== 503),
      [],
      'every response was 200 or 503',
    )
    t.same((await alice.listTasks()).data, [before])
    t.equal((await alice.send.getHealth()).status, 200)
  })
}

t.test('while PostgreSQL hangs requests return 503, and succeed again once it continues', async t => {
  const alice = await service.newUser()
  await alice.createTask(task)
  cluster.signal('SIGSTOP')
  assertUnavailable(t, await alice.send.listTasks(), 'after the timeout')
  t.equal((await alice.send.listTasks({ query: { limit: 0 } })).status, 400, 'a bad request needs no database')
  cluster.signal('SIGCONT')
  t.ok((await recovery(alice)) <= poolSize)
})

t.test('a transaction with a failed statement rejects, although COMMIT itself succeeds', async t => {
  const { kysely } = service.database
  await t.rejects(
    kysely.transaction().execute(async db => {
      await sql`select 1 / 0`.execute(db).catch(() => undefined)
    }),
    'COMMIT of a failed transaction returns ROLLBACK instead of an error',
  )
})

t.test('a transaction rejects with its first error, not with that of the failed rollback', async t => {
  const { kysely } = service.database
  await t.rejects(
    kysely.transaction().execute(db => sql`select pg_terminate_backend(pg_backend_pid())`.execute(db)),
    { code: '57P01' },
  )
  await recovery(await service.newUser())
})
