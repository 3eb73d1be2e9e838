/** getHealth and getLiveness, and what is answered while the database is away. */
import { sql } from 'kysely'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { ownDatabase, randomUser, silent, startService } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { REUSED_FOR } from '../../src/health/handlers.ts'
import { bearer, secret } from '../support/issuer.ts'

t.test('a healthy service', async t => {
  await using service = await startService()
  const { call } = service
  for (const path of ['/health', '/health/live']) {
    const { status, body } = await call('GET', path)
    t.equal(status, 200)
    t.same(body, { status: 'ok' })
  }
})

t.test('health writes: many checks at once agree, and the row is new', async t => {
  await using service = await startService()
  const { call, database } = service
  const before = new Date().toISOString()
  const answers = await Promise.all(Array.from({ length: 10 }, () => call('GET', '/health')))
  t.ok(answers.every(({ status }) => status === 200))
  const { beaten_at } = await database.kysely.selectFrom('heartbeat').selectAll().executeTakeFirstOrThrow()
  t.ok(beaten_at >= before)
})

/** A service whose heartbeats are counted; returns the count as well. */
async function countBeats() {
  const service = await startService({ config: ownDatabase })
  const { call, database } = service
  const { kysely: db } = database
  await sql`create sequence writes`.execute(db)
  await sql`create function count_write() returns trigger language plpgsql as ${sql.lit(`begin
    perform nextval('writes'); return new; end`)}`.execute(db)
  await sql`create trigger count before insert on heartbeat for each row execute function count_write()`.execute(db)
  const written = async () => {
    const { rows } = await sql<{ count: string }>`
      select case when is_called then last_value else 0 end as count from writes`.execute(db)
    return Number(rows[0]?.count)
  }
  return { call, db, written, [Symbol.asyncDispose]: service[Symbol.asyncDispose] }
}

t.test('many checks at once are one write: callers need no token for them', async t => {
  await using counted = await countBeats()
  const { call, db, written } = counted
  const locked = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const holder = db.transaction().execute(async db => {
    await sql`lock table heartbeat in access exclusive mode`.execute(db)
    locked.resolve()
    await release.promise
  })
  await locked.promise
  const checks = Array.from({ length: 10 }, () => call('GET', '/health'))
  // All have arrived once a request behind them is answered.
  await call('GET', '/health/live')
  release.resolve()
  await holder
  for (const { status } of await Promise.all(checks)) t.equal(status, 200)
  t.equal(await written(), 1)
})

t.test('many checks one after another are two writes a second', async t => {
  await using counted = await countBeats()
  const { call, written } = counted
  const start = performance.now()
  let checks = 0
  while ((await written()) < 3) {
    t.equal((await call('GET', '/health')).status, 200)
    checks += 1
  }
  t.ok(performance.now() - start >= 2 * REUSED_FOR)
  t.ok(checks > 3, `${checks} checks`)
})

t.test('a failure is remembered as long, and no longer', async t => {
  await using service = await startService({ config: ownDatabase })
  const { call, database } = service
  await sql`alter table heartbeat rename to lost`.execute(database.kysely)
  const start = performance.now()
  t.equal((await call('GET', '/health')).status, 503)
  await sql`alter table lost rename to heartbeat`.execute(database.kysely)
  while ((await call('GET', '/health')).status !== 200);
  t.ok(performance.now() - start >= REUSED_FOR)
})

t.test('while the database is away, who may not is still told so', async t => {
  await using service = await startService({ prepare: false, authenticate: createAuthenticate({ secret }, silent) })
  const { call } = service
  const user = randomUser()
  const own = await bearer(user)
  const path = `/api/${user}/tasks`
  t.equal((await call('GET', path)).status, 401)
  t.equal((await call('GET', path, undefined, await bearer(randomUser()))).status, 403)
  t.equal((await call('GET', `${path}?limit=0`, undefined, own)).status, 400)
  t.equal((await call('GET', path, undefined, own)).status, 503)
})

t.test('health is 503 where the database takes no writes; liveness does not care', async t => {
  await using service = await startService({ config: ownDatabase })
  const { call, database } = service
  await sql`drop table heartbeat`.execute(database.kysely)
  const { status, body, headers } = await call('GET', '/health')
  t.equal(status, 503)
  t.equal(body.code, 'database_unavailable')
  t.equal(headers.get('retry-after'), '1')
  t.equal((await call('GET', '/health/live')).status, 200)
})

t.test('until the schema is there, what needs it is 503 and all else is answered', async t => {
  await using service = await startService({ prepare: false })
  const { call } = service
  for (const operation of operations) {
    const { status, headers } = await call(...validRequest(operation))
    t.equal(status, operation.responses['503'] === undefined ? 200 : 503, operation.operationId)
    if (status === 503) t.equal(headers.get('retry-after'), '1')
  }
  t.equal((await call('GET', `/api/${randomUser()}/tasks?limit=0`)).status, 400)
  t.equal((await call('GET', '/nowhere')).status, 404)
  t.equal((await call('PUT', '/health')).status, 405)
})
