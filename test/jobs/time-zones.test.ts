/** When the zone data change, instants that are still to come are computed again, through ordinary writes. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { ownDatabase, silent, startService, type Task } from '../../scripts/support/service.ts'
import type { JobContext } from '../../src/jobs/runner.ts'
import { timeZonesJob } from '../../src/jobs/time-zones.ts'
import { createLog } from '../support/log.ts'

const HOUR = 3_600_000

const service = await startService({ config: ownDatabase })
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

const dayIn = (days: number) => new Date(Date.now() + days * 24 * HOUR).toISOString().slice(0, 10)
const berlin = (date: string) => ({ date, time: '09:00', time_zone: 'Europe/Berlin' })

const context = (changes: Partial<JobContext> = {}): JobContext => ({
  db: kysely,
  log: silent,
  signal: new AbortController().signal,
  ...changes,
})

/** Runs the job as a replica with this version does. */
const run = (version: string, changes?: Partial<JobContext>) => timeZonesJob(version).run(context(changes))

/** What a replica with this version leaves in `job`; its next run is due at `notBefore`. */
const lease = (version: string, notBefore: number) => setRow(`time_zones ${version}`, notBefore)

async function setRow(name: string, time: number): Promise<void> {
  const not_before = new Date(time).toISOString()
  const row = { name, not_before }
  await kysely
    .insertInto('job')
    .values(row)
    .onConflict(conflict => conflict.column('name').doUpdateSet({ not_before }))
    .execute()
}

t.beforeEach(async () => {
  for (const table of ['job', 'task', 'user_clock'] as const) await kysely.deleteFrom(table).execute()
})

/** The database, which reports the rows of each statement before the job gets them. */
const observed = (report: (rows: Record<string, unknown>[]) => Promise<void> | void) =>
  kysely.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      await report(result.rows)
      return result
    },
  })

const createUsers = (count: number) =>
  sql`
    insert into user_clock (user_id, revision)
    select 'a user ' || number, 1 from generate_series(1, ${count}::int) as number`.execute(kysely)

/** Gives the dates of a task the instants that other zone data had. */
async function makeWrong(task: Task, ...fields: ('due' | 'start')[]): Promise<void> {
  for (const field of fields) {
    const column = sql.ref(field)
    const at = JSON.stringify(`${task[field]?.date}T23:59:00.000Z`)
    await sql`
      update task set ${column} = jsonb_set(${column}, '{at}', ${at}::jsonb)
      where user_id = ${task.user_id} and id = ${task.id}::uuid`.execute(kysely)
  }
}

async function createWrong(user: User, date = dayIn(3)): Promise<Task> {
  const task = await user.createTask({ title: 'A task', due: berlin(date) })
  await makeWrong(task, 'due')
  return task
}

const atOf = async (user: User, { id }: Task) => (await user.getTask(id)).due?.at

t.test('another version of the zone data corrects what is still to come, and writes nothing else', async t => {
  const alice = await service.newUser()
  const title = 'A task'
  const future = berlin(dayIn(3))
  const both = await alice.createTask({ title, due: future, start: future })
  const start = await alice.createTask({ title, due: { date: dayIn(3) }, start: future })
  const past = await alice.createTask({ title, due: berlin(dayIn(-3)), start: future })
  const right = await alice.createTask({ title, due: future })
  const floating = await alice.createTask({ title, due: { date: dayIn(3), time: '09:00' } })
  const plain = await alice.createTask({ title })
  const deleted = await createWrong(alice)
  const unknown = await createWrong(alice)
  await alice.deleteTask(deleted.id)
  await sql`
    update task set due = jsonb_set(due, '{time_zone}', '"Europe/Atlantis"')
    where user_id = ${alice.id} and id = ${unknown.id}::uuid`.execute(kysely)
  await makeWrong(both, 'due', 'start')
  await makeWrong(start, 'start')
  await makeWrong(past, 'due', 'start')
  const { next_sync_token: sync_token } = await alice.listChanges()
  const pastAt = await atOf(alice, past)

  t.same(await run('2026d'), { zone_data: '2026d', tasks: 3, failed: 0 })

  for (const task of [both, start]) {
    const { due, start, revision, updated_at } = await alice.getTask(task.id)
    t.same({ due, start }, { due: task.due, start: task.start })
    t.ok(revision > task.revision)
    t.ok(updated_at >= task.updated_at)
  }
  t.match(await alice.getTask(past.id), { due: { at: pastAt }, start: past.start }, 'the past stays as it was')
  for (const task of [right, floating, plain]) t.same(await alice.getTask(task.id), task)
  const changes = await alice.listChanges({ query: { sync_token } })
  t.same(new Set(changes.data.map(({ id }) => id)), new Set([both.id, start.id, past.id]), 'the feed has them')
  t.equal(await run('2026d'), undefined, 'once')
})

t.test('a version does its work once, and the next version again', async t => {
  const alice = await service.newUser()
  const task = await createWrong(alice)
  t.match(await run('2026c'), { tasks: 1 })
  await makeWrong(task, 'due')
  t.equal(await run('2026c'), undefined)
  t.match(await run('2026d'), { tasks: 1 })
  t.equal(await atOf(alice, task), task.due?.at)
})

t.test('a replica with older zone data does not undo what a newer one has done', async t => {
  const alice = await service.newUser()
  const task = await createWrong(alice)
  const wrong = await atOf(alice, task)
  await lease('2026d', Date.now() - 1_000 * HOUR)
  t.equal(await run('2026c'), undefined)
  t.equal(await atOf(alice, task), wrong, 'even if the newer one was rolled back')
})

t.test('a replica stops when one with newer zone data begins', async t => {
  const alice = await service.newUser({ id: `b-${randomUUID()}` })
  const task = await createWrong(alice)
  const wrong = await atOf(alice, task)
  await createUsers(1_000)
  const db = observed(async rows => {
    if (rows.length === 1_000) await lease('2026d', Date.now())
  })
  t.equal(await run('2026c', { db }), undefined)
  t.equal(await atOf(alice, task), wrong)
  t.match(await run('2026d'), { tasks: 1 }, 'the newer one does it')
})

t.test('what older replicas wrote until they stopped is corrected after that, once', async t => {
  const alice = await service.newUser()
  const task = await createWrong(alice)
  await lease('2026c', Date.now() + HOUR)
  t.match(await run('2026d'), { tasks: 1 }, 'at once')
  await makeWrong(task, 'due')
  t.equal(await run('2026d'), undefined, 'older replicas are running')
  await lease('2026c', Date.now() - HOUR)
  t.equal(await run('2026d'), undefined, 'one may be running: it asks for the lease at its interval')
  await setRow('time_zones_complete 2026d', Date.now() - 3 * HOUR)
  await lease('2026c', Date.now() - 2 * HOUR - 1)
  t.match(await run('2026d'), { tasks: 1 }, 'they have stopped')
  await makeWrong(task, 'due')
  t.equal(await run('2026d'), undefined)
})

t.test('a run that is stopped is continued by the next one', async t => {
  const alice = await service.newUser()
  for (let count = 0; count < 3; count += 1) await createWrong(alice)
  const stopping = new AbortController()
  const db = observed(rows => {
    if (rows.some(row => 'matched' in row)) stopping.abort()
  })
  t.match(await run('2026d', { db, signal: stopping.signal }), { tasks: 1, failed: 0 })
  t.equal(await run('2026d', { signal: AbortSignal.abort() }), undefined)
  t.match(await run('2026d'), { tasks: 2, failed: 0 })
  t.equal(await run('2026d'), undefined)
})

t.test('more tasks and users than are read at a time', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  const task = await createWrong(alice)
  await createWrong(bob)
  await sql`
    insert into task (user_id, id, title, completed, created_at, updated_at, revision, due, due_key)
    select user_id, gen_random_uuid(), title, completed, created_at, updated_at, number,
      case when number % 100 = 0 then due end, case when number % 100 = 0 then due_key else '~' end
    from task cross join generate_series(10, 2509) as number
    where user_id = ${alice.id} and id = ${task.id}::uuid`.execute(kysely)
  await createUsers(2_000)
  t.match(await run('2026d'), { tasks: 27, failed: 0 })
})

t.test('a user whose tasks cannot be written does not stop the others, and is tried again', async t => {
  const [stuck, other] = [await service.newUser({ id: `a-${randomUUID()}` }), await service.newUser()]
  await createWrong(stuck)
  const task = await createWrong(other)
  await sql`
    create function refuse() returns trigger language plpgsql as $$
    begin raise exception 'this row stays'; end $$`.execute(kysely)
  await sql`
    create trigger stuck before update on task for each row
    when (old.user_id = ${sql.lit(stuck.id)}) execute function refuse()`.execute(kysely)
  const { log, line } = createLog()
  t.same(await run('2026d', { log: log('warn') }), { zone_data: '2026d', tasks: 1, failed: 1 })
  t.match(await line(0), { msg: "a user's instants were not recomputed", error: /this row stays/ })
  t.equal(await atOf(other, task), task.due?.at)
  t.match(await run('2026d'), { tasks: 0, failed: 1 })
  await sql`drop trigger stuck on task`.execute(kysely)
  t.match(await run('2026d'), { tasks: 1, failed: 0 })
  t.equal(await run('2026d'), undefined)
})

t.test('an error that breaks the connection ends the run', async t => {
  const alice = await service.newUser()
  await createWrong(alice)
  await sql`
    create function be_read_only() returns trigger language plpgsql as $$
    begin raise exception 'the server is read-only' using errcode = '25006'; end $$`.execute(kysely)
  await sql`
    create trigger be_read_only before update on task for each row
    when (old.user_id = ${sql.lit(alice.id)}) execute function be_read_only()`.execute(kysely)
  await t.rejects(run('2026d'), { code: '25006' })
  await sql`drop trigger be_read_only on task`.execute(kysely)
  t.match(await run('2026d'), { tasks: 1 })
})

t.test('dates that are changed in the meantime stay as they were written', async t => {
  const alice = await service.newUser()
  const task = await createWrong(alice)
  let changed: Task | undefined
  const db = observed(async rows => {
    if (rows.some(row => 'matches' in row)) changed = await alice.updateTask(task.id, { due: { time: '10:00' } })
  })
  t.equal(await run('2026d', { db }), undefined)
  t.same(await alice.getTask(task.id), changed)
})
