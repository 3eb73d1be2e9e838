/** getHealth and getLiveness, and the responses while the database is unavailable. */
import { sql } from 'kysely'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { ownDatabase, randomUser, silent, startService } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { REUSED_FOR } from '../../src/health/handlers.ts'
import { bearer, secret } from '../support/issuer.ts'
import { lockTable } from '../support/locks.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

t.test('getHealth writes to the database; concurrent checks agree', async t => {
  const { send } = await service.newUser()
  const before = new Date().toISOString()
  const responses = await Promise.all(Array.from({ length: 10 }, () => send.getHealth()))
  t.ok(responses.every(({ status }) => status === 200))
  const { beaten_at } = await service.database.kysely.selectFrom('heartbeat').selectAll().executeTakeFirstOrThrow()
  t.ok(beaten_at >= before)
})

t.test('getHealth and getLiveness of a healthy service return ok', async t => {
  const { getHealth, getLiveness } = await service.newUser()
  t.same(await getHealth(), { status: 'ok' })
  t.same(await getLiveness(), { status: 'ok' })
})

/** A service and a count of its heartbeats. */
async function countBeats() {
  const service = await startService({ config: ownDatabase })
  const { kysely } = service.database
  await sql`create sequence writes`.execute(kysely)
  await sql`create function count_write() returns trigger language plpgsql as ${sql.lit(`begin
    perform nextval('writes'); return new; end`)}`.execute(kysely)
  await sql`create trigger count before insert on heartbeat for each row execute function count_write()`.execute(kysely)
  const written = async () => {
    const { rows } = await sql<{ count: string }>`
      select case when is_called then last_value else 0 end as count from writes`.execute(kysely)
    return Number(rows[0]?.count)
  }
  const { send } = await service.newUser()
  return { send, kysely, written, [Symbol.asyncDispose]: service[Symbol.asyncDispose] }
}

t.test('concurrent health checks, which need no token, share one write', async t => {
  await using counted = await countBeats()
  const { send, kysely, written } = counted
  await using lock = await lockTable({ kysely }, 'heartbeat')
  const checks = Array.from({ length: 10 }, () => send.getHealth())
  // Once a later request has its response, all of them have arrived.
  await send.getLiveness()
  await lock.release()
  for (const { status } of await Promise.all(checks)) t.equal(status, 200)
  t.equal(await written(), 1)
})

t.test('consecutive health checks write at most twice a second', async t => {
  await using counted = await countBeats()
  const { send, written } = counted
  let time = performance.now()
  t.intercept(performance, 'now', { value: () => time })
  const check = async () => t.equal((await send.getHealth()).status, 200)
  for (let writes = 1; writes <= 3; writes++) {
    await check()
    time += REUSED_FOR - 1
    await check()
    t.equal(await written(), writes)
    time += 1
  }
})

t.test('a failed health check is reused as long as a successful one', async t => {
  await using service = await startService({ config: ownDatabase })
  const { send } = await service.newUser()
  const { kysely } = service.database
  await sql`alter table heartbeat rename to lost`.execute(kysely)
  let time = performance.now()
  t.intercept(performance, 'now', { value: () => time })
  t.equal((await send.getHealth()).status, 503)
  await sql`alter table lost rename to heartbeat`.execute(kysely)
  time += REUSED_FOR - 1
  t.equal((await send.getHealth()).status, 503)
  time += 1
  t.equal((await send.getHealth()).status, 200)
})

t.test('getHealth returns 503 if the database refuses writes; getLiveness returns 200', async t => {
  await using service = await startService({ config: ownDatabase })
  const { send } = await service.newUser()
  await sql`drop table heartbeat`.execute(service.database.kysely)
  const response = await send.getHealth()
  t.match(response, { status: 503, body: { code: 'database_unavailable' } })
  t.equal(response.headers.get('retry-after'), '1')
  t.equal((await send.getLiveness()).status, 200)
})

t.test('while the database is unavailable, requests are still authenticated, authorised and validated', async t => {
  await using service = await startService({ prepare: false, authenticate: createAuthenticate({ secret }, silent) })
  const alice = await service.newUser({ header: bearer })
  const anonymous = await service.newUser({ id: alice.id })
  const other = await service.newUser({ id: alice.id, header: await bearer(randomUser()) })
  t.equal((await anonymous.send.listTasks()).status, 401)
  t.equal((await other.send.listTasks()).status, 403)
  t.equal((await alice.send.listTasks({ query: { limit: 0 } })).status, 400)
  t.equal((await alice.send.listTasks()).status, 503)
})

t.test('until the schema exists, operations that need it return 503; other requests are answered as usual', async t => {
  await using service = await startService({ prepare: false })
  for (const operation of operations) {
    const { status, headers } = await service.call(...validRequest(operation))
    t.equal(status, operation.responses['503'] === undefined ? 200 : 503, operation.operationId)
    if (status === 503) t.equal(headers.get('retry-after'), '1')
  }
  const alice = await service.newUser()
  t.equal((await alice.send.listTasks({ query: { limit: 0 } })).status, 400)
  t.equal((await service.call('GET', '/nowhere')).status, 404)
  t.equal((await service.call('PUT', alice.path('getHealth'))).status, 405)
})
