/** Faults of a real PostgreSQL, on a cluster of this file's own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type pg from 'pg'
import t from 'tap'
import { findBinaries, startCluster } from '../../scripts/support/cluster.ts'
import { operations } from '../../scripts/support/contract.ts'
import { connect, execute } from '../../scripts/support/database.ts'
import { untilHealthy } from '../../scripts/support/process.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { onPostgres, randomUser, type Service, startService } from '../../scripts/support/service.ts'

if (!onPostgres || (findBinaries() === undefined && !process.env.CI)) {
  t.pass('these need the binaries of PostgreSQL; `npm run test:postgres` has them')
  process.exit(0)
}

const cluster = await startCluster()
t.teardown(() => cluster[Symbol.asyncDispose]())
const service = await startService({ config: { databaseUrl: cluster.url, dataDir: '', poolSize: 3 } })
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

/** Milliseconds until the first answer that is not 503. */
async function recovery({ call }: Pick<Service, 'call'>, path: string): Promise<number> {
  const start = performance.now()
  while ((await call('GET', path)).status === 503) await sleep(5)
  return performance.now() - start
}

const isUnavailable = (
  test: Pick<typeof t, 'equal'>,
  { status, headers, body }: Awaited<ReturnType<Service['call']>>,
  why: string,
) => {
  test.equal(status, 503, why)
  test.equal(headers.get('retry-after'), '1')
  test.equal(body.code, 'database_unavailable')
}

t.test('a backend that is killed in the middle of a statement', async t => {
  const user = randomUser()
  const path = `/api/${user}/tasks/${(await service.create(user)).id}`
  await using admin = await connect(cluster.url)
  await admin.query('begin')
  await admin.query('select from user_clock where user_id = $1 for update', [user])
  const answer = service.call('PATCH', path, { title: 'Never' })
  await admin.query('select pg_terminate_backend($1)', [await waitingBackend(admin)])
  isUnavailable(t, await answer, 'told so')
  await admin.query('rollback')
  const { status, body } = await service.call('GET', path)
  t.equal(status, 200, 'the next request has another connection')
  t.equal(body.title, 'A task', 'and nothing was done')
})

t.test('a lock that is not to be had', async t => {
  const user = randomUser()
  const path = `/api/${user}/tasks/${(await service.create(user)).id}`
  await using admin = await connect(cluster.url)
  await admin.query('begin')
  await admin.query('select from task where user_id = $1 for update', [user])
  isUnavailable(t, await service.call('PATCH', path, { title: 'Later' }), 'after the lock timeout')
  t.equal((await service.call('GET', path)).status, 200, 'readers do not wait')
  await admin.query('rollback')
  t.equal((await service.call('PATCH', path, { title: 'Later' })).status, 200)
})

t.test('a deadlock is resolved and not seen', async t => {
  const user = randomUser()
  const { id } = await service.create(user)
  await using admin = await connect(cluster.url)
  await admin.query('begin')
  await admin.query(`set local deadlock_timeout = '60s'`)
  await admin.query('select from user_clock where user_id = $1 for update', [user])
  // The service locks its task and waits for the clock; the other way around here.
  const answer = service.call('PATCH', `/api/${user}/tasks/${id}`, { title: 'Changed' })
  await waitingBackend(admin)
  await admin.query('select from task where user_id = $1 and id = $2 for update', [user, id])
  await admin.query('commit')
  t.equal((await answer).status, 200)
})

t.test('a database that takes no writes any more, as after a failover', async t => {
  const user = randomUser()
  const path = `/api/${user}/tasks`
  await service.create(user)
  await execute(cluster.url, 'alter database postgres set default_transaction_read_only = on')
  // Connections that there are keep their setting: a failover ends them.
  await endConnections()
  isUnavailable(t, await service.call('POST', path, { title: 'T' }), 'a write')
  t.equal((await service.call('GET', path)).status, 200, 'reading goes on')
  isUnavailable(t, await service.call('GET', '/health'), 'health is about writing')
  await execute(
    cluster.url,
    'set default_transaction_read_only = off',
    'alter database postgres reset default_transaction_read_only',
  )
  t.equal(
    (await service.call('POST', path, { title: 'T' })).status,
    201,
    'connections that took no writes are not used again',
  )
  await untilHealthy(service.origin)
})

/** Ends all of the service's connections and waits until they are gone. */
async function endConnections(): Promise<void> {
  await using admin = await connect(cluster.url)
  const others = `from pg_stat_activity where application_name = 'task-service'`
  await admin.query(`select pg_terminate_backend(pid) ${others}`)
  while ((await admin.query(`select ${others}`)).rowCount !== 0) await sleep(5)
  // The service hears of it a moment later; requests in between may fail.
  await recovery(service, `/api/${randomUser()}/tasks`)
}

t.test('a role that may only read and write rows is enough, and no connection to be had is 503', async t => {
  await execute(
    cluster.url,
    'create role app login',
    'grant select on kysely_migration to app',
    'grant select, insert, update, delete on task, user_clock, idempotency_key, heartbeat to app',
  )
  const config = { databaseUrl: cluster.url.replace('postgres@', 'app@'), dataDir: '', poolSize: 3 }
  await using service = await startService({ config })
  const { call, create } = service
  const user = randomUser()
  const path = `/api/${user}/tasks`
  const { id } = await create(user)
  for (const operation of operations) {
    const { status } = await call(...validRequest(operation, user, { id }))
    t.ok(status < 500, `${operation.operationId} is ${status}`)
  }
  await execute(cluster.url, 'alter role app connection limit 0')
  await endConnections()
  isUnavailable(t, await call('GET', path), 'too many connections')
  await execute(cluster.url, 'alter role app connection limit -1')
  t.equal((await call('GET', path)).status, 200)
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
  await using service = await startService({ config: { databaseUrl, migrationUrl, dataDir: '', poolSize: 3 } })
  const { create, call } = service
  const user = randomUser()
  t.match(await create(user), { title: 'A task' })
  t.equal((await call('GET', '/health')).status, 200)
})

for (const mode of ['fast', 'immediate'] as const) {
  t.test(`a restart, ${mode}: the first success comes within a second`, async t => {
    const user = randomUser()
    const path = `/api/${user}/tasks`
    const task = await service.create(user)
    let restarted = false
    const statuses = new Set<number>()
    const load = async () => {
      while (!restarted) statuses.add((await service.call('GET', path)).status)
    }
    const loads = [load(), load(), load()]
    await cluster.restart(mode)
    const waited = await recovery(service, path)
    restarted = true
    await Promise.all(loads)
    t.ok(waited < 1000, `${Math.round(waited)} ms`)
    t.same(
      [...statuses].filter(status => status !== 200 && status !== 503),
      [],
      'nothing but 200 and 503 meanwhile',
    )
    t.same((await service.call('GET', path)).body.data, [task])
    t.equal((await service.call('GET', '/health')).status, 200)
  })
}

t.test('a machine that hangs', async t => {
  const user = randomUser()
  const path = `/api/${user}/tasks`
  await service.create(user)
  cluster.signal('SIGSTOP')
  isUnavailable(t, await service.call('GET', path), 'when the timeout is over')
  t.equal((await service.call('GET', `${path}?limit=0`)).status, 400, 'what needs no database is answered')
  cluster.signal('SIGCONT')
  t.ok((await recovery(service, path)) < 1000)
})

t.test('a transaction that failed is not taken for committed', async t => {
  const { kysely } = service.database
  await t.rejects(
    kysely.transaction().execute(async db => {
      await sql`select 1 / 0`.execute(db).catch(() => undefined)
    }),
    'COMMIT answers ROLLBACK then, and no error',
  )
})

t.test('a transaction tells of its first error, and not of the rollback that failed for it', async t => {
  const { kysely } = service.database
  await t.rejects(
    kysely.transaction().execute(db => sql`select pg_terminate_backend(pg_backend_pid())`.execute(db)),
    { code: '57P01' },
  )
  await recovery(service, `/api/${randomUser()}/tasks`)
})
