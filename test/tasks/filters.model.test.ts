/** Model: any filters, order and page size return the tasks that a filter and a sort in memory return. */
import { randomInt } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { createRandom } from '../../scripts/support/random.ts'
import { type Answer, onPostgres, startService, type Task } from '../../scripts/support/service.ts'
import { Problem } from '../../src/contract/problem.ts'
import type { Input } from '../../src/contract/types.ts'
import { listTasks } from '../../src/tasks/handlers.ts'
import { fold } from '../../src/tasks/search.ts'

type Query = Input<'listTasks'>['query']
type Sort = NonNullable<Query['sort']>

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

const seed = randomInt(2 ** 31)
const { below, pick } = createRandom(seed)
const chance = (percent: number) => below(100) < percent
const some = <T>(choices: readonly T[], most: number): T[] => [
  ...new Set(Array.from({ length: 1 + below(most) }, () => pick(choices))),
]

/** PGlite takes several times as long for each, most of it to plan the statement. */
const LISTS = onPostgres ? 10_000 : 5_000
/** How many of them are in flight at once. */
const TOGETHER = 4

const LIVE = 110
const DELETED = 40

/** It is three different days in these zones. */
const NOW = new Date('2026-11-24T10:30:00.000Z')
const ZONES = ['Pacific/Kiritimati', 'Pacific/Pago_Pago', 'Europe/Berlin', 'UTC'] as const
const DAYS = ['0001-01-01', '2026-11-21', '2026-11-23', '2026-11-24', '2026-11-25', '2026-12-01', '9999-12-31']
const RELATIVE = ['yesterday', 'today', 'tomorrow', '7d', '+1d', '-3d', '0d']
const TIMES = ['00:00', '09:00', '23:59']
const PRIORITIES = ['none', 'low', 'medium', 'high', 'urgent'] as const
const TAGS = ['home', 'Home', 'a,b', 'ü', '😀', '"quoted"', '{}', 'NULL']
const TITLES = ['a', 'Buy oat milk', 'Café crème', '買う牛乳', 'landing pages', 'é', '😀', 'STRASSE', 'milk']
const WORDS = ['milk', 'MILCH', 'cafe', 'crè', 'oat', 'at', '牛', '乳', 'lan pag', 'straße', 'b', 'milk buy', '買 牛乳']
const SORTS: readonly Sort[] = [
  ...(['created_at', 'updated_at', 'title', 'due', 'priority'] as const).flatMap(
    key => [`${key}.asc`, `${key}.desc`] as const,
  ),
  'position.asc',
]

function randomDue() {
  if (chance(40)) return null
  const date = pick(DAYS)
  const time = chance(60) ? pick(TIMES) : null
  const hasZone = time !== null && date > '0001-01-01' && date < '9999-12-31' && chance(50)
  return { date, time, time_zone: hasZone ? pick(ZONES) : null }
}

const HOUR = 3_600_000
const DAY = 24 * HOUR

const randomTask = () => ({
  title: pick(TITLES),
  description: chance(50) ? null : pick(TITLES),
  completed: chance(40),
  due: randomDue(),
  priority: pick(PRIORITIES),
  tags: chance(40) ? [] : some(TAGS, 4),
  ...(chance(40) && { position: pick(['A', 'V', 'V1', 'a', 'z']) }),
})

/** Creates the tasks, and gives many of them the same times; some are then in the trash. */
async function createTasks(user: User): Promise<{ live: Task[]; deleted: Task[] }> {
  const ids: string[] = []
  while (ids.length < LIVE + DELETED) {
    const items = Array.from({ length: 50 }, () => ({ action: 'create' as const, task: randomTask() }))
    ids.push(...(await user.batchTasks({ items })).items.map(({ id }) => id))
  }
  const before = (count: number, step: number) =>
    Array.from({ length: count }, (_, nth) => new Date(NOW.getTime() - nth * step).toJSON())
  await sql`
    update task set created_at = (${before(7, DAY)}::timestamptz[])[1 + mod(revision, 7)],
      updated_at = (${before(5, HOUR)}::timestamptz[])[1 + mod(revision, 5)]
    where user_id = ${user.id}`.execute(kysely)
  const tasks: Task[] = []
  for (const id of ids) tasks.push(await user.getTask(id))
  const live = tasks.slice(0, LIVE)
  const deleted = tasks
    .slice(LIVE)
    .map((task, nth) => ({ ...task, deleted_at: new Date(NOW.getTime() - (nth % 9) * 1000).toJSON() }))
  await sql`
    update task set deleted_at = given.deleted_at
    from jsonb_to_recordset(${JSON.stringify(deleted)}::jsonb) as given (id uuid, deleted_at timestamptz)
    where user_id = ${user.id} and task.id = given.id`.execute(kysely)
  return { live, deleted }
}

function randomQuery(): Query {
  const deleted = chance(10)
  const isRelative = chance(50)
  const day = () => pick(isRelative ? RELATIVE : DAYS)
  return {
    deleted,
    limit: chance(6) ? 3 + below(40) : pick([100, 200, 500]),
    ...(!deleted && chance(90) && { sort: pick(SORTS) }),
    ...(chance(35) && { completed: chance(50) }),
    ...(chance(25) && { due_from: day() }),
    ...(chance(25) && { due_to: day() }),
    ...(chance(20) && { has_due: chance(70) }),
    ...(isRelative && { time_zone: pick(ZONES) }),
    ...(chance(25) && { priority: some(PRIORITIES, 3) }),
    ...(chance(20) && { tag: some(TAGS, 2) }),
    ...(chance(20) && { not_tag: some(TAGS, 2) }),
    ...(chance(25) && { q: pick(WORDS) }),
  }
}

const today = new Map(
  ZONES.map(zone => [zone, new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short' }).format(NOW)]),
)

/** The day that a filter means. */
function dayOf(text: string, zone: string | undefined): string {
  if (/^\d{4}-/.test(text)) return text
  const named = { yesterday: -1, today: 0, tomorrow: 1 } as Record<string, number>
  const day = new Date(today.get(zone as (typeof ZONES)[number]) as string)
  day.setUTCDate(day.getUTCDate() + (named[text] ?? Number.parseInt(text, 10)))
  return day.toJSON().slice(0, 10)
}

const words = new Map<string, string[]>()

function wordsOf({ title, description }: Task): string[] {
  const text = `${title} ${description ?? ''}`
  const known = words.get(text) ?? fold(text).split(' ')
  words.set(text, known)
  return known
}

function matches(task: Task, query: Query): boolean {
  const { completed, due_from, due_to, has_due, priority, tag, not_tag, q, time_zone } = query
  const words = wordsOf(task)
  const has = (word: string) =>
    words.some(other => (/\p{Script=Han}/u.test(word) ? other.includes(word) : other.startsWith(word)))
  return (
    (completed === undefined || task.completed === completed) &&
    (due_from === undefined || (task.due !== null && task.due.date >= dayOf(due_from, time_zone))) &&
    (due_to === undefined || (task.due !== null && task.due.date <= dayOf(due_to, time_zone))) &&
    (has_due === undefined || (task.due !== null) === has_due) &&
    (priority === undefined || priority.includes(task.priority as (typeof PRIORITIES)[number])) &&
    (tag === undefined || tag.every(tag => task.tags.includes(tag))) &&
    (not_tag === undefined || !not_tag.some(tag => task.tags.includes(tag))) &&
    (q === undefined || fold(q).split(' ').every(has))
  )
}

const compareText = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other))

function compare(one: Task, other: Task, sort: Sort | 'deleted_at.desc'): number {
  const [name, direction] = sort.split('.') as [keyof Task, 'asc' | 'desc']
  if (name === 'due' && (one.due === null) !== (other.due === null)) return one.due === null ? 1 : -1
  const key = ({ due, priority, ...task }: Task): string => {
    // A day without a time comes before all times on it.
    if (name === 'due') return due === null ? '' : `${due.date} ${due.time ?? ''}`
    if (name === 'priority') return `${PRIORITIES.indexOf(priority as (typeof PRIORITIES)[number])}`
    return `${task[name as 'title']}`
  }
  const order = compareText(key(one), key(other)) || compareText(one.id, other.id)
  return direction === 'asc' ? order : -order
}

function expected({ live, deleted }: { live: Task[]; deleted: Task[] }, query: Query): string[] {
  const sort = query.deleted ? 'deleted_at.desc' : (query.sort ?? 'created_at.desc')
  const found = (query.deleted ? deleted : live).filter(task => matches(task, query))
  return found.toSorted((one, other) => compare(one, other, sort)).map(({ id }) => id)
}

/** One page, from the handler. */
async function page(user: User, query: Query, scannedTasks: number) {
  const limits = { tombstoneRetention: 86_400_000, pageBytes: 1_048_576, scannedTasks }
  const quotas = { tasks: 0, tombstones: 0, keyBytes: 0 }
  const context = { db: kysely, now: () => NOW, limits: { ...limits, quotas }, afterwards: () => undefined }
  const response = await listTasks({ path: { user_id: user.id }, query, precondition: undefined } as never, context)
  if (response instanceof Problem) throw new Error(`${JSON.stringify(query)}: ${JSON.stringify(response)}`)
  return response.body
}

/** Filters that are not part of the range that is read. */
const isScanned = ({ sort, priority, tag, not_tag, q, due_from, due_to, has_due }: Query) =>
  [priority, tag, not_tag, q].some(filter => filter !== undefined) ||
  (!sort?.startsWith('due') && [due_from, due_to, has_due].some(filter => filter !== undefined))

t.test('lists over HTTP, whose Link headers lead from page to page', async t => {
  const alice = await service.newUser()
  const tasks = await createTasks(alice)
  for (let count = 0; count < 200; count += 1) {
    const { deleted, time_zone, ...rest } = randomQuery()
    // The clock of the service is not that of the test.
    const isRelative = time_zone !== undefined && [rest.due_from, rest.due_to].some(day => day !== undefined)
    if (deleted || isRelative) continue
    const query = { deleted, ...rest }
    const found: string[] = []
    for (let path: string | undefined = alice.path('listTasks', '', rest); path !== undefined; ) {
      const { text, headers }: Answer = await service.call('GET', path)
      found.push(...(JSON.parse(text) as { data: Task[] }).data.map(({ id }) => id))
      path = headers.get('link')?.match(/^<(.+)>; rel="next"$/)?.[1]
    }
    t.same(found, expected(tasks, query), `seed ${seed}: ${JSON.stringify(query)}`)
  }
})

t.test(`${LISTS} random lists are those of a filter and a sort in memory, page by page`, async t => {
  const alice = await service.newUser()
  const tasks = await createTasks(alice)
  const seen = { tasks: 0, pages: 0, 'short pages': 0, 'empty pages': 0, 'cursors without a due date': 0, empty: 0 }
  const byId = new Map([...tasks.live, ...tasks.deleted].map(task => [task.id, task]))
  const compareOne = async (nth: number) => {
    const query = randomQuery()
    const scanned = chance(6) ? 10 + below(150) : 5000
    const total = query.deleted ? DELETED : LIVE
    const most = isScanned(query) ? Math.ceil(total / scanned) : 0
    const wanted = expected(tasks, query)
    const found: string[] = []
    const what = `seed ${seed}, list ${nth}, at most ${scanned} read: ${JSON.stringify(query)}`
    let pages = 0
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const { data, next_cursor } = await page(alice, { ...query, ...(cursor && { cursor }) }, scanned)
      found.push(...data.map(({ id }) => id))
      pages += 1
      if (data.length > query.limit) t.fail(`a page is too large; ${what}`)
      if (next_cursor !== null && data.length < query.limit) {
        if (most === 0) t.fail(`a page is short; ${what}`)
        seen['short pages'] += 1
        if (data.length === 0) seen['empty pages'] += 1
      }
      if (next_cursor !== null && query.sort === 'due.desc' && byId.get(found.at(-1) ?? '')?.due === null)
        seen['cursors without a due date'] += 1
      cursor = next_cursor
    }
    if (found.join() !== wanted.join()) t.same(found, wanted, what)
    if (pages > Math.max(1, Math.ceil(wanted.length / query.limit)) + most) t.fail(`${pages} pages; ${what}`)
    seen.tasks += found.length
    seen.pages += pages
    if (found.length === 0) seen.empty += 1
  }
  for (let nth = 0; nth < LISTS && t.passing(); nth += TOGETHER) {
    await Promise.all(Array.from({ length: TOGETHER }, (_, more) => compareOne(nth + more)))
  }
  t.comment(JSON.stringify(seen))
  for (const [what, count] of Object.entries(seen)) t.ok(count >= 10, `${count} ${what}`)
  t.ok(seen.empty <= LISTS * 0.7, 'most lists are not empty')
})
