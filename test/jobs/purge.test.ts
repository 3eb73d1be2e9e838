/** Purging deletes tombstones and keys past their retention, and expires the sync tokens that missed a deletion. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
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
const { kysely } = service.database

const ago = (milliseconds: number) => new Date(Date.now() - milliseconds).toISOString()
const task = { title: 'A task' }

/** Creates a task that was deleted some time ago. */
async function createTombstone(user: User, age: number, fields: { id?: string } = {}): Promise<Task> {
  const created = await user.createTask({ ...task, ...fields })
  await user.deleteTask(created.id)
  await kysely
    .updateTable('task')
    .set({ deleted_at: ago(age) })
    .where('user_id', '=', user.id)
    .where('id', '=', created.id)
    .execute()
  return created
}

const rowsOf = (user: User) => kysely.selectFrom('task').select('id').where('user_id', '=', user.id).execute()

async function createKey(user: string, key: string, age: number): Promise<void> {
  await kysely
    .insertInto('idempotency_key')
    .values({ user_id: user, key, fingerprint: '', created_at: ago(age) })
    .execute()
}

t.test('a purge deletes tombstones past their retention, and nothing else', async t => {
  const alice = await service.newUser()
  const live = await alice.createTask(task)
  const old = await createTombstone(alice, retention.tombstones + 1000)
  const young = await createTombstone(alice, retention.tombstones - 60_000)
  t.match(await purge(kysely, retention), { tombstones: 1 })
  t.same(new Set((await rowsOf(alice)).map(({ id }) => id)), new Set([live.id, young.id]))
  t.match(await purge(kysely, retention), { tombstones: 0 })
  t.equal((await alice.send.createTask({ ...task, id: old.id })).status, 201, 'the id is free again')
})

t.test('a tombstone that is restored before it is deleted stays', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask(task)
  t.same(await queries.removeTombstones(kysely, { userId: alice.id, ids: [id], before: ago(0) }), { count: 0 })
  t.equal((await alice.send.getTask(id)).status, 200)
})

t.test('a sync token from before a purged deletion returns 410, and a later one 200', async t => {
  const alice = await service.newUser()
  const changesSince = (sync_token: string) => alice.send.listChanges({ query: { sync_token } })
  await alice.createTask(task)
  const before = (await alice.listChanges()).next_sync_token
  const early = (await alice.listChanges({ query: { limit: 1 } })).next_sync_token
  await createTombstone(alice, retention.tombstones + 1000)
  const after = (await alice.listChanges()).next_sync_token
  t.equal((await changesSince(before)).status, 200)
  await purge(kysely, retention)
  for (const token of [before, early]) {
    const { status, body } = await changesSince(token)
    t.match([status, body], [410, { code: 'sync_token_expired' }])
  }
  t.equal((await changesSince(after)).status, 200)
  const snapshot = await alice.listChanges()
  t.equal(snapshot.data.length, 1)
  t.equal((await changesSince(snapshot.next_sync_token)).status, 200, 'a new snapshot helps')
})

t.test('a snapshot during which a deletion is purged returns 410 on its next page', async t => {
  const alice = await service.newUser()
  await alice.createTask(task)
  await alice.createTask(task)
  const { has_more, next_sync_token } = await alice.listChanges({ query: { limit: 1 } })
  t.equal(has_more, true)
  await createTombstone(alice, retention.tombstones + 1000)
  await purge(kysely, retention)
  t.equal((await alice.send.listChanges({ query: { sync_token: next_sync_token } })).status, 410)
})

t.test('a purge that is stopped deletes nothing more', async t => {
  const alice = await service.newUser()
  await createTombstone(alice, 2 * retention.tombstones)
  const stopping = new AbortController()
  const purging = purge(kysely, retention, { signal: stopping.signal })
  stopping.abort()
  t.match(await purging, { tombstones: 0 })
  t.match(await purge(kysely, retention), { tombstones: 1 })
})

t.test(
  'a purge locks tombstones in the order of their ids, so that it cannot deadlock with other writes',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const alice = await service.newUser()
    const ids = Array.from({ length: 20 }, () => randomUUID()).toSorted()
    const [first, ...others] = ids
    // The first one by id is the last one in the table.
    for (const id of ids.toReversed()) await createTombstone(alice, 2 * retention.tombstones, { id })
    const locking = await kysely.startTransaction().execute()
    await sql`select from task where user_id = ${alice.id} and id = ${first} for update`.execute(locking)
    const removing = queries.removeTombstones(kysely, { userId: alice.id, ids, before: ago(retention.tombstones) })
    await untilWaiting(kysely, 'delete from task')
    await sql`select from task where user_id = ${alice.id} and id = any(${others}) for update nowait`.execute(locking)
    await locking.rollback().execute()
    t.same(await removing, { count: ids.length })
  },
)

t.test('a purge deletes keys past their retention, and no others', async t => {
  const user = randomUser()
  await createKey(user, 'old', retention.keys + 1000)
  await createKey(user, 'young', retention.keys - 60_000)
  t.match(await purge(kysely, retention), { keys: 1 })
  const keys = await kysely.selectFrom('idempotency_key').select('key').where('user_id', '=', user).execute()
  t.same(keys, [{ key: 'young' }])
})

t.test(
  'a key that is used again while it is purged stays',
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

t.test('a purge that is stopped within a chunk leaves the rest for the next run', async t => {
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

t.test('an error that breaks the connection ends the purge', async t => {
  const user = randomUser()
  await createKey(user, 'key', 2 * retention.keys)
  await sql`
    create function be_read_only() returns trigger language plpgsql as $$
    begin raise exception 'the server is read-only' using errcode = '25006'; end $$`.execute(kysely)
  await sql`
    create trigger be_read_only before delete on idempotency_key for each row
    when (old.user_id = ${sql.lit(user)}) execute function be_read_only()`.execute(kysely)
  await t.rejects(purge(kysely, retention), { code: '25006' })
  await sql`drop trigger be_read_only on idempotency_key`.execute(kysely)
  t.match(await purge(kysely, retention), { keys: 1 })
})

t.test('a purge of many rows of several users reports its progress by chunks', async t => {
  const [one, other] = [randomUser(), randomUser()]
  await Promise.all(
    Array.from({ length: 600 }, (_, index) => createKey(index % 2 === 0 ? one : other, `${index}`, 2 * HOUR)),
  )
  await createTombstone(await service.newUser({ id: one }), 2 * retention.tombstones)
  await createTombstone(await service.newUser({ id: other }), 2 * retention.tombstones)
  const reports: unknown[] = []
  await purge(kysely, retention, { progress: purged => reports.push(purged) })
  t.same(reports, [
    { tombstones: 0, keys: 500, failed: 0 },
    { tombstones: 0, keys: 600, failed: 0 },
    { tombstones: 2, keys: 600, failed: 0 },
  ])
})

t.test('a user whose rows cannot be deleted does not block other users, however many rows there are', async t => {
  const [stuck, other] = [await service.newUser(), await service.newUser()]
  for (let key = 0; key < 501; key += 1) await createKey(stuck.id, `${key}`, 3 * retention.keys)
  await createKey(other.id, 'key', 2 * retention.keys)
  await createTombstone(stuck, 3 * retention.tombstones)
  await createTombstone(other, 2 * retention.tombstones)
  for (const table of ['task', 'idempotency_key']) {
    await sql`
      create function ${sql.id(`refuse_${table}`)}() returns trigger language plpgsql as $$
      begin raise exception 'this row stays'; end $$`.execute(kysely)
    await sql`
      create trigger stuck before delete on ${sql.table(table)} for each row
      when (old.user_id = ${sql.lit(stuck.id)}) execute function ${sql.id(`refuse_${table}`)}()`.execute(kysely)
  }
  const failures: unknown[] = []
  const purged = await purge(kysely, retention, { onFailure: error => failures.push(error) })
  t.same(purged, { tombstones: 1, keys: 1, failed: 3 })
  t.match(failures, [{ message: /this row stays/ }, { message: /this row stays/ }, { message: /this row stays/ }])
  t.same(await rowsOf(other), [])
  t.match(await purge(kysely, retention), { failed: 3 }, 'every time')
  const { log, line } = createLog()
  const { signal } = new AbortController()
  const result = await purgeJob(retention, HOUR).run({ db: kysely, log: log('warn'), signal })
  t.equal(result, undefined, 'the job has deleted nothing')
  t.match(await line(0), { msg: "a user's rows were not purged", error: /this row stays/ })
  for (const table of ['task', 'idempotency_key']) {
    await sql`drop trigger stuck on ${sql.table(table)}`.execute(kysely)
  }
  t.match(await purge(kysely, retention), { tombstones: 1, keys: 501, failed: 0 }, 'the next purge deletes them')
})

t.test('the job returns how much it has deleted', async t => {
  const alice = await service.newUser()
  await createTombstone(alice, 2 * retention.tombstones)
  const { signal } = new AbortController()
  const result = await purgeJob(retention, HOUR).run({ db: kysely, log: silent, signal })
  t.same(result, { tombstones: 1, keys: 0, failed: 0 })
  t.same(await rowsOf(alice), [])
})

t.test('a job that is stopped deletes nothing more', async t => {
  const alice = await service.newUser()
  await createTombstone(alice, 2 * retention.tombstones)
  const stopped = { db: kysely, log: silent, signal: AbortSignal.abort() }
  t.equal(await purgeJob(retention, HOUR).run(stopped), undefined)
  t.equal((await rowsOf(alice)).length, 1)
})
