/** Connections that requests share, on a PostgreSQL of this file's own. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type pg from 'pg'
import t from 'tap'
import { findBinaries, startCluster } from '../../scripts/support/cluster.ts'
import { operations } from '../../scripts/support/contract.ts'
import { connect, execute } from '../../scripts/support/database.ts'
import { createFaultProxy } from '../../scripts/support/fault-proxy.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { onPostgres, randomUser, type Service, silent, startService } from '../../scripts/support/service.ts'
import { openDatabase } from '../../src/database/open.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import { findPgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { startTlsProxy } from '../support/tls.ts'

if (!onPostgres || (findBinaries() === undefined && !process.env.CI)) {
  t.pass('these need the binaries of PostgreSQL; `npm run test:postgres` has them')
  process.exit(0)
}

const cluster = await startCluster()
t.teardown(() => cluster[Symbol.asyncDispose]())
const config = { databaseUrl: cluster.url, dataDir: '', poolSize: 5 }

const sessions = async (admin: pg.Client, condition = 'true') =>
  (await admin.query(`select pid from pg_stat_activity where application_name = 'task-service' and ${condition}`)).rows

async function untilOneWaits(admin: pg.Client): Promise<void> {
  while ((await sessions(admin, `wait_event_type = 'Lock'`)).length === 0) await sleep(5)
}

/** Eight requests of each kind at a time, each of its own user. */
const manyRequests = ({ call }: Service) =>
  Promise.all(
    Array.from({ length: 8 }, async () => {
      const path = `/api/${randomUser()}/tasks`
      const { status, body } = await call('POST', path, { title: 'T' })
      return [
        status,
        (await call('GET', `${path}/${body.id}`)).status,
        (await call('PATCH', `${path}/${body.id}/complete`)).status,
        (await call('GET', path)).status,
      ]
    }),
  )

t.test('a statement that waits holds up none of those that come after it', async t => {
  await using service = await startService({ config })
  const user = randomUser()
  const { id } = await service.create(user)
  await using admin = await connect(cluster.url)
  await admin.query('begin')
  await admin.query('select from user_clock where user_id = $1 for update', [user])
  let isAnswered = false
  const slow = service.call('PATCH', `/api/${user}/tasks/${id}`, { title: 'Slow' }).finally(() => {
    isAnswered = true
  })
  await untilOneWaits(admin)
  for (const statuses of await manyRequests(service)) t.same(statuses, [201, 200, 200, 200])
  t.equal(isAnswered, false, 'all of them were faster')
  await admin.query('commit')
  t.equal((await slow).status, 200)
})

t.test('many requests at once have few connections, and an error is nobody else’s', async t => {
  const database = await openDatabase({ ...config, poolSize: 3 }, silent)
  t.teardown(() => database.close())
  const { kysely: db } = database
  const answers = await Promise.allSettled(
    Array.from({ length: 100 }, (_, number) =>
      sql<{ quotient: number }>`select 100 / ${number % 10}::int as quotient`.execute(db),
    ),
  )
  for (const [number, answer] of answers.entries()) {
    if (number % 10 === 0) t.match(answer, { status: 'rejected', reason: { code: '22012' } })
    else t.match(answer, { value: { rows: [{ quotient: Math.trunc(100 / (number % 10)) }] } })
  }
  t.match(database.poolUsage?.(), { busy: 0, idle: 1, waiting: 0 })
})

t.test('a transaction is one connection’s, whatever others send meanwhile', async t => {
  const database = await openDatabase(config, silent)
  t.teardown(() => database.close())
  const { kysely: db } = database
  const pid = sql<{ pid: number }>`select pg_backend_pid() as pid`
  const pidOf = async (executor: typeof db) => (await pid.execute(executor)).rows[0]?.pid
  await db.transaction().execute(async transaction => {
    const own = await pidOf(transaction)
    const others = await Promise.all(Array.from({ length: 10 }, () => pidOf(db)))
    t.equal(await pidOf(transaction), own)
    t.notOk(others.includes(own))
  })
  await t.rejects(
    db.transaction().execute(async transaction => {
      await sql`create table never ()`.execute(transaction)
      throw new Error('on purpose')
    }),
    { message: 'on purpose' },
  )
  t.same((await sql`select to_regclass('never') as never`.execute(db)).rows, [{ never: null }])
})

t.test('over TLS: statements are answered, and a connection that went silent is given up', async t => {
  await using proxy = await createFaultProxy(config)
  await proxy.listen()
  await using tls = await startTlsProxy(proxy.url)
  await using service = await startService({ config: { ...config, databaseUrl: tls.url } })
  for (const statuses of await manyRequests(service)) t.same(statuses, [201, 200, 200, 200])
  proxy.silence()
  const path = `/api/${randomUser()}/tasks`
  const statusesOf = () =>
    Promise.all([service.call('GET', path), service.call('POST', path, { title: 'T' })]).then(answers =>
      answers.map(({ status }) => status),
    )
  let statuses = await statusesOf()
  while (statuses.includes(503)) statuses = await statusesOf()
  t.same(statuses, [200, 201])
})

t.test('the settings that operators are told to give a role are those that sessions get', async t => {
  const [, statements] = /```sql\n(alter role tasks .*?)```/s.exec(await readFile('docs/operations.md', 'utf8')) ?? []
  await execute(cluster.url, `create role tasks login; ${statements}`)
  const limits = sql`
    select name, setting from pg_settings where name ~ '_timeout$|^enable_|^jit$|^plan_cache_mode$' order by name`
  const limitsOf = async (user: string, isPrepared: boolean) => {
    const databaseUrl = cluster.url.replace('postgres@', `${user}@`)
    const { kysely, close } = openPostgres({ ...config, databaseUrl, migrationUrl: databaseUrl, isPrepared }, silent)
    t.teardown(close)
    return (await limits.execute(kysely)).rows
  }
  t.same(await limitsOf('tasks', false), await limitsOf('postgres', true))
  t.notSame(await limitsOf('tasks', false), await limitsOf('postgres', false))
})

const bouncer = findPgBouncer()
t.test(
  'a pooler in transaction mode: every operation works where statements are not prepared',
  { skip: bouncer === undefined && !process.env.CI && 'there is no PgBouncer' },
  async t => {
    await using pgbouncer = await startPgBouncer(bouncer as string, cluster.url)
    await using service = await startService({ config: { ...config, databaseUrl: pgbouncer.url, isPrepared: false } })
    for (const statuses of await manyRequests(service)) t.same(statuses, [201, 200, 200, 200])
    const user = randomUser()
    const { id } = await service.create(user)
    for (const operation of operations) {
      const { status } = await service.call(...validRequest(operation, user, { id }))
      t.ok(status < 500, `${operation.operationId} is ${status}`)
    }
    const path = `/api/${user}/tasks`
    const keyed = () => service.call('POST', path, { title: 'Once' }, { 'idempotency-key': 'k' })
    const answers = await Promise.all(Array.from({ length: 5 }, keyed))
    for (const { status } of answers) t.equal(status, 201)
    t.equal(new Set(answers.map(({ body }) => body.id)).size, 1)
  },
)
