/** Merges of `due` and `start`, member by member: their results, their rules, and concurrent ones. */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { onPostgres, startService, type Task } from '../../scripts/support/service.ts'
import { NO_PRECONDITION } from '../../src/contract/precondition.ts'
import { updateTask } from '../../src/tasks/handlers.ts'
import * as tasks from '../../src/tasks/queries.ts'
import { untilWaiting } from '../support/locks.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

const NINE = { date: '2026-11-24', time: '09:00', time_zone: 'Europe/Berlin' }
const STORED = { ...NINE, at: '2026-11-24T08:00:00.000Z' }

/** A patch of the stored date, and the result. */
const patches = {
  'a day keeps the time and its zone': [{ date: '2026-07-25' }, { date: '2026-07-25', at: '2026-07-25T07:00:00.000Z' }],
  'a time keeps the day': [{ time: '23:30' }, { time: '23:30', at: '2026-11-24T22:30:00.000Z' }],
  'a zone keeps the local time': [
    { time_zone: 'America/New_York' },
    { time_zone: 'America/New_York', at: '2026-11-24T14:00:00.000Z' },
  ],
  'a link is kept as sent': [
    { time_zone: 'asia/calcutta' },
    { time_zone: 'asia/calcutta', at: '2026-11-24T03:30:00.000Z' },
  ],
  'no zone is the clock of the user': [{ time_zone: null }, { time_zone: null, at: null }],
  'no time and no zone is a day': [
    { time: null, time_zone: null },
    { time: null, time_zone: null, at: null },
  ],
  'nothing changes nothing': [{}, {}],
  'a skipped time has the offset from before': [
    { date: '2026-03-29', time: '02:30' },
    { date: '2026-03-29', time: '02:30', at: '2026-03-29T01:30:00.000Z' },
  ],
  'the last day': [{ date: '9999-12-31' }, { date: '9999-12-31', at: '9999-12-31T08:00:00.000Z' }],
  'the first day': [{ date: '0001-01-01' }, { date: '0001-01-01', at: '0001-01-01T08:06:32.000Z' }],
} as const

t.test('PATCH merges a date, as createTask and PUT take the result', async t => {
  const alice = await service.newUser()
  for (const field of ['due', 'start'] as const) {
    for (const [what, [patch, changes]] of Object.entries(patches)) {
      const task = await alice.createTask({ title: 'T', [field]: NINE })
      const patched = await alice.updateTask(task.id, { [field]: patch })
      const isChanged = Object.keys(changes).length > 0
      t.same(patched[field], { ...STORED, ...changes }, `${field}: ${what}`)
      t.equal(patched.revision, task.revision + (isChanged ? 1 : 0))
      const { at: _, ...again } = patched[field] as NonNullable<Task['due']>
      t.same((await alice.createTask({ title: 'T', [field]: again }))[field], patched[field], `${field} again: ${what}`)
    }
  }
  const { id } = await alice.createTask({ title: 'T', due: NINE })
  t.equal((await alice.updateTask(id, { due: null })).due, null)
  t.same((await alice.updateTask(id, { due: { date: '2026-11-25' } })).due, {
    date: '2026-11-25',
    time: null,
    time_zone: null,
    at: null,
  })
})

t.test('PATCH whose merged date would be incomplete returns 422 and changes nothing', async t => {
  const alice = await service.newUser()
  const berlin = { due: NINE }
  const cases: [string, Parameters<User['createTask']>[0] | object, Parameters<User['updateTask']>[1], string][] = [
    ['a time without a date', {}, { due: { time: '09:00' } }, 'due would have a time or a time zone without a date.'],
    ['a zone without a date', {}, { start: { time_zone: 'UTC' } }, 'start would have a time or a time zone'],
    ['no part of no date', {}, { due: {} }, 'due would have'],
    [
      'a zone without a time',
      { due: { date: '2026-11-24' } },
      { due: { time_zone: 'UTC' } },
      'a time zone without a time',
    ],
    ['no time for a zone', berlin, { due: { time: null } }, 'a time zone without a time'],
    ['after the year 9999', berlin, { due: { date: '9999-12-31', time: '23:00', time_zone: 'Etc/GMT+12' } }, '9999'],
    ['before the year 1', berlin, { due: { date: '0001-01-01', time: '00:00' } }, '0001'],
  ]
  for (const [what, fields, patch, detail] of cases) {
    const task = await alice.createTask({ title: 'T', ...fields })
    const { status, body } = await alice.send.updateTask(task.id, { title: 'U', tags: ['t'], ...patch })
    t.match([status, body], [422, { code: 'incomplete_date' }], what)
    t.match((body as { detail: string }).detail, detail, what)
    t.same(await alice.getTask(task.id), task, what)
  }
  for (const due of [{ time: '09:00' }, { date: '2026-11-24', time: null, time_zone: 'UTC' }]) {
    t.equal((await alice.send.updateTask(randomUUID(), { due })).status, 404, 'there is nothing to merge with')
    const { id } = await alice.createTask({ title: 'T' })
    const outdated = { header: { 'If-Match': '"2"' } }
    t.equal((await alice.send.updateTask(id, { due }, outdated)).status, 412, 'the precondition comes first')
  }
})

t.test('a date that changes while a patch is merged with it is merged again', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T', due: { date: '2026-11-24', time: '09:00' } })
  let reads = 0
  const db = kysely.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      reads += 1
      if (reads === 1) await alice.updateTask(id, { due: { date: '2026-11-25' } })
      return result
    },
  })
  const input = {
    path: { user_id: alice.id, id },
    precondition: NO_PRECONDITION,
    body: { due: { time: '10:00' } },
  }
  await updateTask(input as never, { db, now: () => new Date() } as never)
  t.equal(reads, 3, 'read, refused, written')
  t.match(await alice.getTask(id), { due: { date: '2026-11-25', time: '10:00' }, revision: 3 })
})

t.test('If-Match decides before a date is merged', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T', due: NINE })
  const patch = (revision: number) =>
    alice.send.updateTask(id, { due: { date: '2026-11-25' } }, { header: { 'If-Match': `"${revision}"` } })
  t.equal((await patch(2)).status, 412)
  t.equal((await patch(1)).status, 200)
  t.equal((await patch(1)).status, 412)
})

t.test('a day never gains a time, whatever is done to the task', async t => {
  const date = fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map(date => date.toISOString().slice(0, 10))
  const step = fc.oneof(
    date.map(date => (user: User, id: string) => user.updateTask(id, { due: { date } })),
    date.map(date => (user: User, id: string) => user.updateTask(id, { due: { date, time: null, time_zone: null } })),
    date.map(date => (user: User, id: string) => {
      return user.replaceTask(id, { title: 'P', description: null, completed: true, due: { date } })
    }),
    fc.constant((user: User, id: string) => user.setTaskCompletion(id)),
    fc.constant((user: User, id: string) => user.updateTask(id, { start: NINE, tags: ['t'] })),
    fc.constant(async (user: User, id: string) => {
      await user.deleteTask(id)
      return user.restoreTask(id)
    }),
  )
  const property = fc.asyncProperty(date, fc.array(step, { maxLength: 5 }), async (date, steps) => {
    const alice = await service.newUser()
    const { id } = await alice.createTask({ title: 'T', due: { date } })
    for (const step of steps) await step(alice, id)
    const { due } = await alice.getTask(id)
    return due !== null && due.time === null && due.time_zone === null && due.at === null
  })
  await t.resolves(fc.assert(property, { numRuns: 60 }))
})

t.test(
  'a patch of a date that waits for another one to commit is merged with what that one wrote',
  {
    skip: !onPostgres && 'PGlite has one connection',
  },
  async t => {
    const alice = await service.newUser()
    const { id } = await alice.createTask({ title: 'T', due: NINE })
    const first = await kysely.startTransaction().execute()
    const target = { userId: alice.id, id, ifMatch: null, ifNoneMatch: [], now: new Date().toISOString() }
    const due = { ...STORED, date: '2026-11-25', at: '2026-11-25T08:00:00.000Z' }
    await tasks.update(first, { ...target, patch: JSON.stringify({ due }), mergedWith: null })
    const second = alice.updateTask(id, { due: { time: '10:00' } })
    await untilWaiting(kysely, 'jsonb_populate_record')
    await first.commit().execute()
    t.same((await second).due, { ...due, time: '10:00', at: '2026-11-25T09:00:00.000Z' })
  },
)

t.test('concurrent patches of the day and of the time are both kept', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T', due: NINE })
  for (let round = 10; round < 20; round += 1) {
    const [date, time] = [`2026-12-${round}`, `${round}:00`]
    await Promise.all([
      alice.updateTask(id, { due: { date } }),
      alice.updateTask(id, { due: { time } }),
      alice.updateTask(id, { start: { date } }),
    ])
    const { due, start } = await alice.getTask(id)
    t.match([due, start], [{ date, time, time_zone: 'Europe/Berlin' }, { date }])
  }
})
