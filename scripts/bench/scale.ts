/** Whether requests slow down as tasks accumulate: the same requests to databases of three sizes, one at a time. */
import { Agent } from 'node:http'
import { encode as tokenOf } from '../../src/changes/token.ts'
import type { Task } from '../../src/tasks/columns.ts'
import { encode as cursorOf } from '../../src/tasks/cursor.ts'
import type { Sort } from '../../src/tasks/sorts.ts'
import { connect, createDatabase } from '../support/database.ts'
import { TASKS_EACH, taskOf } from './load.ts'
import { type BenchOptions, median } from './peers.ts'
import { startContender } from './servers.ts'
import { type TimedRequest, time } from './timed-request.ts'

/** How many tasks a database has, and how many of them belong to a single user. */
const databases = [
  { tasks: 25_000, own: 0 },
  { tasks: 1_000_000, own: 0 },
  { tasks: 10_000_000, own: 1_000_000 },
]
type Size = (typeof databases)[number]

/** The users who have few tasks each, and the one who has a million. */
const EVERYBODY = 'everybody'
const MILLIONAIRE = 'millionaire'

/** How many users of each database are active; all others are dormant. */
const ACTIVE_USERS = 200
const REQUESTS_PER_ROUND = 200
/** Maximum ratio of a request's time to that in the smallest database, or to that of the first page. */
const MOST = 1.3

const PAGE = 50
const DEEP_PAGE = 10_000
const sorts: readonly Sort[] = [
  'created_at.desc',
  'created_at.asc',
  'updated_at.desc',
  'updated_at.asc',
  'title.asc',
  'title.desc',
]

/** The requests, by user and task. */
const requests: Record<string, (user: string, task: string) => TimedRequest> = {
  get: (user, task) => ({ method: 'GET', path: `/api/${user}/tasks/${task}` }),
  'list, completed': user => ({ method: 'GET', path: `/api/${user}/tasks?completed=true&limit=${PAGE}` }),
  ...Object.fromEntries(
    sorts.map(sort => [
      `list, ${sort}`,
      (user: string) => ({ method: 'GET', path: `/api/${user}/tasks?sort=${sort}&limit=${PAGE}` }),
    ]),
  ),
  changes: user => ({ method: 'GET', path: `/api/${user}/changes?limit=${PAGE}` }),
  toggle: (user, task) => ({ method: 'PATCH', path: `/api/${user}/tasks/${task}/complete` }),
  create: user => ({ method: 'POST', path: `/api/${user}/tasks`, body: '{"title":"Buy oat milk"}' }),
}

/** One cell of the report: a request for one kind of user of one database. */
interface Case {
  name: string
  /** The database and the kind of user. */
  column: string
  next(): TimedRequest
  origin: string
  milliseconds: number[]
}

/** Measures, prints, and returns whether no request was too slow. */
export async function measureScale({ url, rounds, signal }: BenchOptions): Promise<boolean> {
  await using stack = new AsyncDisposableStack()
  const cases: Case[] = []
  for (const size of databases) {
    if (signal.aborted) return false
    const { url: own } = stack.use(await createDatabase(url))
    const { origin } = stack.use(await startContender('service', own))
    await load(own, size, signal)
    cases.push(...casesOf(size, origin))
    if (size.own > 0) cases.push(...(await deepCases(own, size, origin)))
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  // The first round warms up databases and compilers.
  for (let round = 0; round <= rounds && !signal.aborted; round += 1) {
    for (const { name, column, next, origin, milliseconds } of cases) {
      const times: number[] = []
      for (let count = 0; count < REQUESTS_PER_ROUND; count += 1) times.push(await time(agent, origin, next()))
      if (round > 0) milliseconds.push(...times)
      console.error(`round ${round} of ${rounds}: ${name}, ${column}: ${median(times).toFixed(2)} ms`)
    }
  }
  agent.destroy()
  return !signal.aborted && report(cases)
}

const usersOf = ({ tasks, own }: Size) => (tasks - own) / TASKS_EACH
const columnOf = ({ tasks }: Size) => tasks.toLocaleString('en')
const userName = (number: number) => `${EVERYBODY}-${number}`

/** Loads the tasks without their indexes, which are created afterwards. */
async function load(url: string, size: Size, signal: AbortSignal): Promise<void> {
  await using client = await connect(url)
  const step = async (what: string, statement: string) => {
    if (signal.aborted) return
    console.error(`${columnOf(size)} tasks: ${what}`)
    await client.query(statement)
  }
  await client.query(`set maintenance_work_mem to '512MB'`)
  const { rows: indexes } = await client.query<{ name: string; definition: string }>(
    `select indexrelid::regclass as name, pg_get_indexdef(indexrelid) as definition
    from pg_index where indrelid = 'task'::regclass and not indisprimary`,
  )
  for (const { name } of indexes) await client.query(`drop index ${name}`)
  await client.query('alter table task drop constraint task_pkey')
  // A user's tasks are scattered, as if they had been written at different times.
  const users = usersOf(size)
  const from = `from generate_series(0, ${size.tasks - size.own - 1}) as n`
  const own = `from generate_series(${size.tasks - size.own}, ${size.tasks - 1}) as n`
  const insert = (user: string, revision: string, from: string) => `
    insert into task (user_id, id, title, description, completed, completed_at, created_at, updated_at, revision)
    select ${user}, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, md5(n::text),
      'Two cartons, the unsweetened kind.', n % 3 = 0, case when n % 3 = 0 then now() end, now() - n * interval '1 second',
      now() - n * interval '1 second', ${revision} ${from}`
  await step('everybody’s', insert(`'${EVERYBODY}-' || n % ${users}`, `n / ${users} + 1`, from))
  await step('one user’s own', insert(`'${MILLIONAIRE}'`, `n - ${size.tasks - size.own} + 1`, own))
  await step(
    'clocks',
    'insert into user_clock (user_id, revision) select user_id, max(revision) from task group by user_id',
  )
  await step('primary key', 'alter table task add constraint task_pkey primary key (user_id, id)')
  for (const { name, definition } of indexes) await step(name, definition)
  await step('counting', 'vacuum analyze')
}

function casesOf(size: Size, origin: string): Case[] {
  const ofEverybody = () => {
    const number = Math.floor((Math.random() * usersOf(size)) % ACTIVE_USERS)
    const own = Math.floor(Math.random() * TASKS_EACH)
    return [userName(number), taskOf(own * usersOf(size) + number)] as const
  }
  const ofMillionaire = () => {
    const own = Math.floor(Math.random() * ACTIVE_USERS * TASKS_EACH)
    return [MILLIONAIRE, taskOf(size.tasks - 1 - own)] as const
  }
  const make = (column: string, choose: () => readonly [string, string]) =>
    Object.entries(requests).map(([name, request]) => ({
      name,
      column,
      next: () => request(...choose()),
      origin,
      milliseconds: [],
    }))
  return [...make(columnOf(size), ofEverybody), ...(size.own > 0 ? make(MILLIONAIRE, ofMillionaire) : [])]
}

/** Pages deep into the one user's tasks. */
async function deepCases(url: string, size: Size, origin: string): Promise<Case[]> {
  await using client = await connect(url)
  const offset = DEEP_PAGE * PAGE - PAGE - 1
  const { rows } = await client.query<{ id: string; created_at: Date }>(
    `select id, created_at from task where user_id = $1 order by created_at desc, id desc offset $2 limit 1`,
    [MILLIONAIRE, offset],
  )
  const last = rows[0] as { id: string; created_at: Date }
  const cursor = cursorOf('created_at.desc', { ...last, created_at: last.created_at.toISOString() } as Task)
  const token = tokenOf(MILLIONAIRE, { position: size.own / 2, since: size.own, epoch: 0 })
  const column = `${MILLIONAIRE}, far in`
  const make = (name: string, path: string): Case => ({
    name,
    column,
    next: () => ({ method: 'GET', path: `/api/${MILLIONAIRE}/${path}` }),
    origin,
    milliseconds: [],
  })
  return [
    make('list, created_at.desc', `tasks?limit=${PAGE}&cursor=${cursor}`),
    make('changes', `changes?limit=${PAGE}&sync_token=${token}`),
  ]
}

function report(cases: Case[]): boolean {
  const columns = [...new Set(cases.map(({ column }) => column))]
  const [smallest] = columns as [string]
  const notes: string[] = []
  let isFast = true
  console.log(`| p50 ms | ${columns.join(' | ')} | slowest / ${smallest} |`)
  console.log(`| --- | ${columns.map(() => '---: | ').join('')}---: |`)
  for (const name of Object.keys(requests)) {
    const medians = columns.map(column => {
      const found = cases.find(one => one.name === name && one.column === column)
      return found === undefined ? undefined : median(found.milliseconds)
    })
    const known = medians.filter(value => value !== undefined)
    const ratio = Math.max(...known) / (known[0] as number)
    isFast &&= ratio <= MOST
    const [first, deep] = medians.slice(-2)
    if (first !== undefined && deep !== undefined) {
      isFast &&= deep / first <= MOST
      notes.push(`${name}, far in / first page: ${(deep / first).toFixed(2)}`)
    }
    console.log(`| ${name} | ${medians.map(value => value?.toFixed(2) ?? '').join(' | ')} | ${ratio.toFixed(2)} |`)
  }
  for (const note of notes) console.log(note)
  return isFast
}
