/** What search and filters cost beside a plain page, by the user's number of tasks, and whether other users add to it. */
import { Agent } from 'node:http'
import { foldedColumn } from '../../src/tasks/search.ts'
import { connect, createDatabase } from '../support/database.ts'
import { TASKS_EACH } from './load.ts'
import { type BenchOptions, median } from './peers.ts'
import { startContender } from './servers.ts'
import { time } from './timed-request.ts'

const FEW = 10_000
const MANY = 100_000
/** The tasks of other users in the second database. */
const OTHERS = 1_000_000

const REQUESTS_PER_ROUND = 50
/** Maximum of the p95, in ms: more than that of a plain page for the one user, and altogether for the other. */
const MOST_MORE = 15
const MOST = 100
/** Maximum ratio of the median among other users' tasks to that without them. */
const MOST_RATIO = 1.3

/** Every 5,000th task has what is rare; a third, or more, what is frequent. */
const RARE = 5_000
const TITLES = [
  'Buy oat milk',
  'Café crème für das Büro',
  'Call the landlord about the heating',
  'Milk the cows',
  '買う牛乳',
]
const DESCRIPTION = 'Two cartons, the unsweetened kind; otherwise whatever the shop on the corner still has by then.'

const PLAIN = 'plain'
const requests: Record<string, string> = {
  [PLAIN]: '',
  'q, frequent': 'q=milk',
  'q, frequent, two words': 'q=mil%20oat',
  'q, rare': 'q=zebra',
  'q, none': 'q=quagga',
  'q, none, Chinese': 'q=%E9%9B%BB%E6%B1%A0',
  'tag, frequent': 'tag=home',
  'tag, rare': 'tag=rare',
  'tag, none': 'tag=none',
  'not_tag, frequent': 'not_tag=rare',
  'not_tag, none': 'not_tag=home&not_tag=work',
  'priority, frequent': 'priority=low',
  'priority, rare': 'priority=urgent',
  'priority, none': 'priority=high',
  'due, frequent': 'due_from=2026-01-01&due_to=2026-12-31',
  'due, rare': 'due_from=2030-01-01',
  'due, none': 'due_from=2031-01-01',
  'due, rare, sort=due.asc': 'due_from=2030-01-01&sort=due.asc',
  'due, none, sort=due.desc': 'due_to=2020-01-01&sort=due.desc',
  'has_due=false, frequent': 'has_due=false',
  'all filters, none': 'q=quagga&tag=home&not_tag=rare&priority=low&due_from=2026-01-01&completed=false',
}

interface Case {
  name: string
  column: string
  origin: string
  path: string
  milliseconds: number[]
}

const columnOf = (tasks: number, others: number) =>
  `${tasks.toLocaleString('en')}${others > 0 ? ` beside ${others.toLocaleString('en')}` : ''}`
const userOf = (tasks: number) => `owner-of-${tasks}`

/** Measures, prints, and returns whether the targets are met. */
export async function measureSearch({ url, rounds, signal }: BenchOptions): Promise<boolean> {
  await using stack = new AsyncDisposableStack()
  const cases: Case[] = []
  for (const others of [0, OTHERS]) {
    if (signal.aborted) return false
    const { url: own } = stack.use(await createDatabase(url))
    const { origin } = stack.use(await startContender('service', own))
    await load(own, others, signal)
    for (const tasks of [FEW, MANY]) {
      for (const [name, query] of Object.entries(requests)) {
        const path = `/api/${userOf(tasks)}/tasks?limit=50&${query}`
        cases.push({ name, column: columnOf(tasks, others), origin, path, milliseconds: [] })
      }
    }
  }
  using agent = Object.assign(new Agent({ keepAlive: true, maxSockets: 1 }), {
    [Symbol.dispose]: () => agent.destroy(),
  })
  // The first round warms up databases and compilers. The requests take turns, so that all have the same disturbances.
  for (let round = 0; round <= rounds && !signal.aborted; round += 1) {
    console.error(`round ${round} of ${rounds}`)
    for (let count = 0; count < REQUESTS_PER_ROUND; count += 1) {
      for (const { origin, path, milliseconds } of cases) {
        const duration = await time(agent, origin, { method: 'GET', path })
        if (round > 0) milliseconds.push(duration)
      }
    }
  }
  return !signal.aborted && report(cases)
}

/** Loads two users with many tasks, and others with few each, whose tasks are scattered. */
async function load(url: string, others: number, signal: AbortSignal): Promise<void> {
  await using client = await connect(url)
  const insert = async (user: string, count: number) => {
    if (signal.aborted) return
    console.error(`loading ${count.toLocaleString('en')} tasks`)
    await client.query(
      `insert into task (user_id, id, title, title_folded, description, completed, completed_at, created_at, updated_at,
        revision, due, due_key, priority, tags)
      select ${user}, gen_random_uuid(), case when rare then 'Zebra' else ($1::text[])[1 + n % 5] end,
        case when not rare then ($2::text[])[1 + n % 5] end, $3, n % 3 = 0, case when n % 3 = 0 then now() end,
        now() - n * interval '1 second', now() - n * interval '1 second', n,
        case when day is not null then jsonb_build_object('date', day, 'time', null) end, coalesce(day::text, '~'),
        case when rare then 4 else n % 2 end,
        case when rare then '{home,rare}'::text[] when n % 2 = 0 then '{home}' else '{home,work}' end
      from generate_series(1, $4::int) as n,
        lateral (select n % ${RARE} = 0 as rare) as kind,
        lateral (
          select case when rare then date '2030-01-01' when n % 2 = 0 then date '2026-01-01' + n % 365 end as day
        ) as days`,
      [TITLES, TITLES.map(foldedColumn), DESCRIPTION, count],
    )
  }
  if (others > 0) await insert(`'other-' || n % ${others / TASKS_EACH}`, others)
  for (const tasks of [FEW, MANY]) await insert(`'${userOf(tasks)}'`, tasks)
  await client.query(
    'insert into user_clock (user_id, revision, live) select user_id, max(revision), count(*) from task group by user_id',
  )
  await client.query('vacuum analyze')
}

const p95 = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.95)] as number

function report(cases: Case[]): boolean {
  const columns = [...new Set(cases.map(({ column }) => column))]
  const find = (name: string, column: string) =>
    (cases.find(one => one.name === name && one.column === column) as Case).milliseconds
  const slow: string[] = []
  console.log(`| p50 / p95 ms | ${columns.join(' | ')} |`)
  console.log(`| --- | ${columns.map(() => '---: | ').join('')}`.trimEnd())
  for (const name of Object.keys(requests)) {
    const cells = columns.map(column => {
      const times = find(name, column)
      return `${median(times).toFixed(1)} / ${p95(times).toFixed(1)}`
    })
    console.log(`| ${name} | ${cells.join(' | ')} |`)
    for (const others of [0, OTHERS]) {
      const [few, many] = [columnOf(FEW, others), columnOf(MANY, others)]
      const more = p95(find(name, few)) - p95(find(PLAIN, few))
      if (more > MOST_MORE) slow.push(`${name}, ${few}: ${more.toFixed(1)} ms more than a plain page`)
      if (p95(find(name, many)) >= MOST) slow.push(`${name}, ${many}: not below ${MOST} ms`)
    }
    for (const tasks of [FEW, MANY]) {
      const ratio = median(find(name, columnOf(tasks, OTHERS))) / median(find(name, columnOf(tasks, 0)))
      if (ratio > MOST_RATIO)
        slow.push(`${name}, ${columnOf(tasks, OTHERS)}: ${ratio.toFixed(2)} times as long as alone`)
    }
  }
  for (const line of slow) console.log(line)
  return slow.length === 0
}
