/** Purging: what is too old goes for good, and who has to know is told. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import { onPostgres, ownDatabase, randomUser, silent, startService, type Task } from '../../scripts/support/service.ts'
import { find, take } from '../../src/idempotency/queries.ts'
import { purge, purgeJob } from '../../src/jobs/purge.ts'
import * as queries from '../../src/jobs/purge-queries.ts'
import { untilWaiting } from '../support/locks.ts'
import { createLog } from '../support/log.ts'

const HOUR = 3_600_000
const retention = { tombstones: 24 * HOUR, keys: HOUR }

const service = await startService({ config: ownDatabase, retention })
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create } = service
const { kysely } = service.database

const ago = (milliseconds: number) => new Date(Date.now() - milliseconds).toISOString()
const pathOf = (task: Task) => `/api/${task.user_id}/tasks/${task.id}`
const changes = (user: string, since?: string) =>
  call('GET', `/api/${user}/changes${since === undefined ? '' : `?since=${since}`}`)

/** A task that was deleted some time ago. */
async function createTombstone(user: string, age: number, fields: { id?: string } = {}): Promise<Task> {
  const task = await create(user, fields)
  await call('DELETE', pathOf(task))
  const { id } = task
  await kysely
    .updateTable('task')
    .set({ deleted_at: ago(age) })
    .where('user_id', '=', user)
    .where('id', '=', id)
    .execute()
  return task
}

const rowsOf = (user: string) => kysely.selectFrom('task').select('id').where('user_id', '=', user).execute()

async function createKey(user: string, key: string, age: number): Promise<void> {
  await kysely
    .insertInto('idempotency_key')
    .values({ user_id: user, key, fingerprint: '', created_at: ago(age) })
    .execute()
}

t.test('tombstones past their retention go, and nothing else', async t => {
  const user = randomUser()
  const live = await create(user)
  const old = await createTombstone(user, retention.tombstones + 1000)
  const young = await createTombstone(user, retention.tombstones - 60_000)
  t.match(await purge(kysely, retention), { tombstones: 1 })
  t.same(new Set((await rowsOf(user)).map(({ id }) => id)), new Set([live.id, young.id]))
  t.match(await purge(kysely, retention), { tombstones: 0 })
  t.equal((await call('POST', `/api/${user}/tasks`, { id: old.id, title: 'T' })).status, 201, 'the id is free again')
})

t.test('a tombstone that was restored since it was found stays', async t => {
  const user = randomUser()
  const task = await create(user)
  t.same(await queries.removeTombstones(kysely, { userId: user, ids: [task.id], before: ago(0) }), { count: 0 })
  t.equal((await call('GET', pathOf(task))).status, 200)
})

t.test('a token from before a purged deletion is 410, one from after it is not', async t => {
  const user = randomUser()
  await create(user)
  const before = (await changes(user)).body.next
  const early = (await call('GET', `/api/${user}/changes?limit=1`)).body.next
  await createTombstone(user, retention.tombstones + 1000)
  const after = (await changes(user)).body.next
  t.equal((await changes(user, before)).status, 200)
  await purge(kysely, retention)
  for (const token of [before, early]) {
    const { status, body } = await changes(user, token)
    t.match([status, body.code], [410, 'sync_token_expired'])
  }
  t.equal((await changes(user, after)).status, 200)
  const { body: snapshot } = await changes(user)
  t.equal(snapshot.data.length, 1)
  t.equal((await changes(user, snapshot.next)).status, 200, 'a new snapshot is the way out')
})

t.test('a snapshot during which a deletion is purged has to be begun again', async t => {
  const user = randomUser()
  await create(user)
  await create(user)
  const { body } = await call('GET', `/api/${user}/changes?limit=1`)
  t.equal(body.has_more, true)
  await createTombstone(user, retention.tombstones + 1000)
  await purge(kysely, retention)
  t.equal((await changes(user, body.next)).status, 410)
})

t.test('whoever stops purges no further', async t => {
  const user = randomUser()
  await createTombstone(user, 2 * retention.tombstones)
  const stopping = new AbortController()
  const purging = purge(kysely, retention, { signal: stopping.signal })
  stopping.abort()
  t.match(await purging, { tombstones: 0 })
  t.match(await purge(kysely, retention), { tombstones: 1 })
})

t.test(
  'tombstones are locked in the order of their ids, as whoever locks several tasks of a user does',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const user = randomUser()
    const ids = Array.from({ length: 20 }, () => randomUUID()).toSorted()
    const [first, ...others] = ids
    // The first one by id is the last one in the table.
    for (const id of ids.toReversed()) await createTombstone(user, 2 * retention.tombstones, { id })
    const locking = await kysely.startTransaction().execute()
    await sql`select from task where user_id = ${user} and id = ${first} for update`.execute(locking)
    const removing = queries.removeTombstones(kysely, { userId: user, ids, before: ago(retention.tombstones) })
    await untilWaiting(kysely, 'delete from task')
    await sql`select from task where user_id = ${user} and id = any(${others}) for update nowait`.execute(locking)
    await locking.rollback().execute()
    t.same(await removing, { count: ids.length })
  },
)

t.test('keys past their time go', async t => {
  const user = randomUser()
  await createKey(user, 'old', retention.keys + 1000)
  await createKey(user, 'young', retention.keys - 60_000)
  t.match(await purge(kysely, retention), { keys: 1 })
  const keys = await kysely.selectFrom('idempotency_key').select('key').where('user_id', '=', user).execute()
  t.same(keys, [{ key: 'young' }])
})

t.test(
  'a key that is taken again while it is purged stays',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const user = randomUser()
    await createKey(user, 'taken again', 2 * retention.keys)
    const request = { userId: user, key: 'taken again', fingerprint: 'new' }
    const taking = await kysely.startTransaction().execute()
    t.equal(await take(taking, request, ago(0), ago(retention.keys)), true)
    const removing = queries.removeKeys(kysely, { userId: user, ids: ['taken again'], before: ago(retention.keys) })
    await untilWaiting(kysely, 'delete from idempotency_key')
    await taking.commit().execute()
    t.same(await removing, { count: 0 })
    t.match(await find(kysely, request), { fingerprint: 'new' })
  },
)

t.test('who stops in the middle of a chunk leaves the rest to the next time', async t => {
  const [one, other] = [randomUser(), randomUser()]
  await createKey(one, 'key', 3 * retention.keys)
  await createKey(other, 'key', 2 * retention.keys)
  await sql`
    create function refuse_and_stop() returns trigger language plpgsql as $$
    begin raise exception 'this row stays'; end $$`.execute(kysely)
  await sql`
    create trigger stop before delete on idempotency_key for each row
    when (old.user_id = ${sql.lit(one)}) execute function refuse_and_stop()`.execute(kysely)
  const stopping = new AbortController()
  const purged = await purge(kysely, retention, { signal: stopping.signal, onFailure: () => stopping.abort() })
  t.same(purged, { tombstones: 0, keys: 0, failed: 1 })
  await sql`drop trigger stop on idempotency_key`.execute(kysely)
  t.match(await purge(kysely, retention), { keys: 2, failed: 0 })
})

t.test('an error that breaks the connection ends it, for every other user would have it, too', async t => {
  const user = randomUser()
  await createKey(user, 'key', 2 * retention.keys)
  await sql`
    create function shut_down() returns trigger language plpgsql as $$
    begin raise exception 'the server stops' using errcode = '57P01'; end $$`.execute(kysely)
  await sql`
    create trigger shut_down before delete on idempotency_key for each row
    when (old.user_id = ${sql.lit(user)}) execute function shut_down()`.execute(kysely)
  await t.rejects(purge(kysely, retention), { code: '57P01' })
  await sql`drop trigger shut_down on idempotency_key`.execute(kysely)
  t.match(await purge(kysely, retention), { keys: 1 })
})

t.test('many of many users go, in chunks that are reported', async t => {
  const [one, other] = [randomUser(), randomUser()]
  await Promise.all(
    Array.from({ length: 600 }, (_, index) => createKey(index % 2 === 0 ? one : other, `${index}`, 2 * HOUR)),
  )
  await createTombstone(one, 2 * retention.tombstones)
  await createTombstone(other, 2 * retention.tombstones)
  const reports: unknown[] = []
  await purge(kysely, retention, { progress: purged => reports.push(purged) })
  t.same(reports, [
    { tombstones: 0, keys: 500, failed: 0 },
    { tombstones: 0, keys: 600, failed: 0 },
    { tombstones: 2, keys: 600, failed: 0 },
  ])
})

t.test('a user whose rows cannot be deleted holds up nobody, however many rows there are', async t => {
  const [stuck, other] = [randomUser(), randomUser()]
  for (let key = 0; key < 501; key += 1) await createKey(stuck, `${key}`, 3 * retention.keys)
  await createKey(other, 'key', 2 * retention.keys)
  await createTombstone(stuck, 3 * retention.tombstones)
  await createTombstone(other, 2 * retention.tombstones)
  for (const table of ['task', 'idempotency_key']) {
    await sql`
      create function ${sql.id(`refuse_${table}`)}() returns trigger language plpgsql as $$
      begin raise exception 'this row stays'; end $$`.execute(kysely)
    await sql`
      create trigger stuck before delete on ${sql.table(table)} for each row
      when (old.user_id = ${sql.lit(stuck)}) execute function ${sql.id(`refuse_${table}`)}()`.execute(kysely)
  }
  const failures: unknown[] = []
  const purged = await purge(kysely, retention, { onFailure: error => failures.push(error) })
  t.same(purged, { tombstones: 1, keys: 1, failed: 3 })
  t.match(failures, [{ message: /this row stays/ }, { message: /this row stays/ }, { message: /this row stays/ }])
  t.same(await rowsOf(other), [])
  t.match(await purge(kysely, retention), { failed: 3 }, 'each time')
  const { log, line } = createLog()
  const { signal } = new AbortController()
  const result = await purgeJob(retention, HOUR).run({ db: kysely, log: log('warn'), signal })
  t.equal(result, undefined, 'the job has deleted nothing')
  t.match(await line(0), { msg: "a user's rows were not purged", error: /this row stays/ })
  for (const table of ['task', 'idempotency_key']) {
    await sql`drop trigger stuck on ${sql.table(table)}`.execute(kysely)
  }
  t.match(await purge(kysely, retention), { tombstones: 1, keys: 501, failed: 0 }, 'and goes the next time')
})

t.test('the job returns what it has deleted', async t => {
  const user = randomUser()
  await createTombstone(user, 2 * retention.tombstones)
  const { signal } = new AbortController()
  const result = await purgeJob(retention, HOUR).run({ db: kysely, log: silent, signal })
  t.same(result, { tombstones: 1, keys: 0, failed: 0 })
  t.same(await rowsOf(user), [])
})

t.test('a job that is stopped deletes nothing more', async t => {
  const user = randomUser()
  await createTombstone(user, 2 * retention.tombstones)
  const stopped = { db: kysely, log: silent, signal: AbortSignal.abort() }
  t.equal(await purgeJob(retention, HOUR).run(stopped), undefined)
  t.equal((await rowsOf(user)).length, 1)
})
