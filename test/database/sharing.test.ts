/** Connections that requests share: directly, over TLS, and through a pooler. */
import { randomUUID } from 'node:crypto'
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
import { onPostgres, type Service, silent, startService } from '../../scripts/support/service.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import { openDisposable } from '../support/database.ts'
import { findPgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { startTlsProxy } from '../support/tls.ts'

if (!onPostgres || (findBinaries() === undefined && !process.env.CI)) {
  t.plan(0, 'these need the binaries of PostgreSQL; `npm run test:postgres` has them')
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

/** Sends four requests for each of eight users at once; returns the statuses by user. */
const manyRequests = ({ newUser }: Service) =>
  Promise.all(
    Array.from({ length: 8 }, async () => {
      const { send } = await newUser()
      const id = randomUUID()
      return [
        (await send.createTask({ id, title: 'T' })).status,
        (await send.getTask(id)).status,
        (await send.setTaskCompletion(id)).status,
        (await send.listTasks()).status,
      ]
    }),
  )

t.test('a statement that waits for a lock does not block later ones', async t => {
  await using service = await startService({ config })
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'A task' })
  await using admin = await connect(cluster.url)
  await admin.query('begin')
  await admin.query('select from user_clock where user_id = $1 for update', [alice.id])
  let isAnswered = false
  const slow = alice.send.updateTask(id, { title: 'Slow' }).finally(() => {
    isAnswered = true
  })
  await untilOneWaits(admin)
  for (const statuses of await manyRequests(service)) t.same(statuses, [201, 200, 200, 200])
  t.equal(isAnswered, false, 'the later ones were faster')
  await admin.query('commit')
  t.equal((await slow).status, 200)
})

t.test('a hundred statements at once share few connections, and an error fails only its own', async t => {
  await using database = await openDisposable({ ...config, poolSize: 3 })
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
  t.match(database.poolUsage?.(), {
    reads: { busy: 0, idle: 0, waiting: 0 },
    writes: { busy: 0, idle: 1, waiting: 0 },
    transactions: { busy: 0, idle: 0, waiting: 0 },
  })
})

t.test('a transaction has a connection of its own', async t => {
  await using database = await openDisposable(config)
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

t.test('over TLS requests succeed, and a connection that went silent is closed', async t => {
  await using proxy = await createFaultProxy(config)
  await proxy.listen()
  await using tls = await startTlsProxy(proxy.url)
  await using service = await startService({ config: { ...config, databaseUrl: tls.url } })
  for (const statuses of await manyRequests(service)) t.same(statuses, [201, 200, 200, 200])
  proxy.silence()
  const { send } = await service.newUser()
  const statusesOf = async () => {
    const answers = await Promise.all([send.listTasks(), send.createTask({ title: 'T' })])
    return answers.map(({ status }) => status)
  }
  let statuses: number[] = await statusesOf()
  while (statuses.includes(503)) statuses = await statusesOf()
  t.same(statuses, [200, 201])
})

t.test('the role settings in docs/operations.md are those that the service gives its sessions', async t => {
  const [, statements] = /```sql\n(alter role tasks .*?)```/s.exec(await readFile('docs/operations.md', 'utf8')) ?? []
  await execute(cluster.url, `create role tasks login; ${statements}`)
  await using stack = new AsyncDisposableStack()
  const limits = sql`
    select name, setting from pg_settings where name ~ '_timeout$|^enable_|^jit$|^plan_cache_mode$' order by name`
  const limitsOf = async (user: string, isPrepared: boolean) => {
    const databaseUrl = cluster.url.replace('postgres@', `${user}@`)
    const { kysely, close } = openPostgres({ ...config, databaseUrl, migrationUrl: databaseUrl, isPrepared }, silent)
    stack.defer(close)
    return (await limits.execute(kysely)).rows
  }
  t.same(await limitsOf('tasks', false), await limitsOf('postgres', true))
  t.notSame(await limitsOf('tasks', false), await limitsOf('postgres', false))
})

const bouncer = findPgBouncer()
t.test(
  'through a pooler in transaction mode every operation works if statements are not prepared',
  { skip: bouncer === undefined && !process.env.CI && 'there is no PgBouncer' },
  async t => {
    await using pgbouncer = await startPgBouncer(bouncer as string, cluster.url)
    await using service = await startService({ config: { ...config, databaseUrl: pgbouncer.url, isPrepared: false } })
    for (const statuses of await manyRequests(service)) t.same(statuses, [201, 200, 200, 200])
    const alice = await service.newUser()
    const { id } = await alice.createTask({ title: 'A task' })
    for (const operation of operations) {
      const { status } = await service.call(...validRequest(operation, alice.id, { id }))
      t.ok(status < 500, `${operation.operationId} is ${status}`)
    }
    const keyed = () => alice.send.createTask({ title: 'Once' }, { header: { 'Idempotency-Key': 'k' } })
    const answers = await Promise.all(Array.from({ length: 5 }, keyed))
    for (const { status } of answers) t.equal(status, 201)
    t.equal(new Set(answers.map(({ text }) => text)).size, 1)
  },
)
