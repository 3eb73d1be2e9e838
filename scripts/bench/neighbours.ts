/**
 * What a user notices of a neighbour who sends the worst that the limits allow: the latency of one user's requests,
 * alone and beside each kind of neighbour, on both databases. The service runs with its default limits.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type Kysely, sql } from 'kysely'
import { DEFAULT_RATE_LIMIT } from '../../src/config/callers.ts'
import { variables } from '../../src/config/variables.ts'
import { openDatabase } from '../../src/database/open.ts'
import type { Tables } from '../../src/database/tables.ts'
import { startServer } from '../support/server.ts'
import { silent, type Teardown, temporaryFolder } from '../support/service.ts'
import type { Attack, AttackReport } from './aggressor.ts'
import { type Ask, send, until } from './ask.ts'
import { CONNECTIONS, TASKS_EACH, taskOf } from './load.ts'
import type { BenchOptions } from './peers.ts'
import { createToken, SECRET } from './servers.ts'

/** Requests per second of the user who is measured: 1,080 a minute, so the user's own limit is never reached. */
const PACE = 18
/** How long that user waits for a response, in milliseconds. */
const PATIENCE = 5000
/** Requests sent before anything is measured: the first hundreds are slow in any new process. */
const WARM_UP = 300

/** The window of every limit, in seconds. */
const WINDOW = 60
const ADDRESS_LIMIT = Number(variables.ADDRESS_RATE_LIMIT.default)
/** Requests with an invalid token per second. */
const BAD_TOKENS = 50

const BATCH_ITEMS = 100
const DESCRIPTION_CHARACTERS = 10_000
/** Fills the largest page, one of changes. */
const LARGE_TASKS = 500
const TOMBSTONES = 30_000

const operations = ['get', 'list', 'create'] as const
type Operation = (typeof operations)[number]

interface Visit {
  operation: Operation
  /** Since the request was due, which may be before it could be sent. */
  milliseconds: number
  outcome: string
}

type Seed = (db: Kysely<Tables>, user: string) => Promise<void>

type Pace = Pick<Attack, 'atOnce' | 'perSecond'>

interface Scenario {
  name: string
  pace: Pace
  /** What the neighbour sends, in rotation. */
  asks(user: string, token: string): Ask[]
  isPrimed?: boolean
  /** Whether the token has a wrong signature. */
  isForged?: boolean
  /** Creates the neighbour's data. By SQL: within the limits, the API would need most of an hour. */
  seed?: Seed
}

interface Result {
  name: string
  alone: Visit[]
  beside: Visit[]
  report: AttackReport
}

/** Measures, prints, and returns whether every request of the user succeeded: a neighbour must not make any fail. */
export async function measureNeighbours(test: Teardown, options: BenchOptions): Promise<boolean> {
  const { url, seconds, signal } = options
  const folder = join(await temporaryFolder(test), 'data')
  const databases = [
    { title: 'PostgreSQL', env: { DATABASE_URL: url, DATA_DIR: '' } },
    { title: 'PGlite', env: { DATABASE_URL: '', DATA_DIR: folder } },
  ]
  const scenarios = scenariosOf(seconds)
  let isUnharmed = true
  for (const { title, env } of databases) {
    console.error(`${title}: making the data`)
    await seed(env, scenarios)
    const results: Result[] = []
    for (const [number, scenario] of scenarios.entries()) {
      if (signal.aborted) return false
      console.error(`${title}, ${number + 1} of ${scenarios.length}: ${scenario.name}`)
      results.push(await measureScenario(scenario, number, env, seconds, signal))
    }
    report(title, results, seconds)
    isUnharmed &&= results.every(({ alone, beside }) => [...alone, ...beside].every(isSuccess))
  }
  return isUnharmed && !signal.aborted
}

/**
 * Most neighbours twice: at a pace that never exceeds the limit, and spending a whole minute's requests in `seconds`.
 */
function scenariosOf(seconds: number): Scenario[] {
  const steady: Pace = { atOnce: 0, perSecond: DEFAULT_RATE_LIMIT / WINDOW }
  const burst: Pace = {
    atOnce: CONNECTIONS,
    perSecond: (DEFAULT_RATE_LIMIT - CONNECTIONS) / Math.min(seconds, WINDOW),
  }
  const bothPaces = (name: string, kind: Omit<Scenario, 'name' | 'pace'>): Scenario[] => [
    { name: `${name}, steadily`, pace: steady, ...kind },
    { name: `${name}, in a burst`, pace: burst, ...kind },
  ]
  const badTokens = { isForged: true, asks: getTasks(['tasks']) }
  return [
    ...bothPaces('batches', { asks: (user, token) => [batch(user, token, 'Two cartons.')] }),
    ...bothPaces('largest pages', { seed: seedLargeTasks, asks: getTasks(['tasks?limit=200', 'changes?limit=500']) }),
    ...bothPaces('full trash', { seed: seedTrash, asks: getTasks(trashPaths()) }),
    ...bothPaces('replays', {
      isPrimed: true,
      asks: (user, token) => [{ ...batch(user, token, 'x'.repeat(DESCRIPTION_CHARACTERS)), key: randomUUID() }],
    }),
    {
      name: 'bad tokens, below the limit',
      pace: { atOnce: 0, perSecond: Math.min(BAD_TOKENS, (0.9 * ADDRESS_LIMIT) / Math.min(seconds, WINDOW)) },
      ...badTokens,
    },
    { name: 'bad tokens, above the limit', pace: { atOnce: ADDRESS_LIMIT, perSecond: BAD_TOKENS }, ...badTokens },
  ]
}

const getTasks =
  (paths: string[]): Scenario['asks'] =>
  (user, token) =>
    paths.map(path => ({ method: 'GET', path: `/api/${user}/${path}`, token }))

/** Snapshots alternate with lists for which the whole trash is searched in vain: no task in it is completed. */
const trashPaths = () =>
  ['-created_at', 'updated_at', 'title'].flatMap(sort => [
    'changes',
    `tasks?deleted=true&completed=true&limit=200&sort=${sort}`,
  ])

function batch(user: string, token: string, description: string): Ask {
  const items = Array.from({ length: BATCH_ITEMS }, (_, number) => ({
    action: 'create',
    task: { title: `Buy ${number}`, description },
  }))
  return { method: 'POST', path: `/api/${user}/tasks/batch`, token, body: JSON.stringify({ items }) }
}

const victimOf = (number: number) => `victim-${number}`
const aggressorOf = (number: number) => `aggressor-${number}`
/** The user who warms up the service. */
const WARMER = 'warmer'

/** Creates the data of all scenarios before a service starts: PGlite serves one process at a time. */
async function seed(env: Record<'DATABASE_URL' | 'DATA_DIR', string>, scenarios: Scenario[]): Promise<void> {
  const { DATABASE_URL, DATA_DIR } = env
  const database = await openDatabase(
    { databaseUrl: DATABASE_URL === '' ? undefined : DATABASE_URL, dataDir: DATA_DIR, poolSize: 3 },
    silent,
  )
  try {
    await database.prepare(new AbortController().signal)
    // Its connection has none of the timeouts that requests have.
    await database.migrate(async db => {
      // The same ids for every user: they are unique per user only.
      const ids = Array.from({ length: TASKS_EACH }, (_, number) => taskOf(number))
      for (const user of [WARMER, ...scenarios.map((_, number) => victimOf(number))]) {
        await insertTasks(db, user, sql`unnest(${ids}::uuid[]) with ordinality as made (id, number)`)
      }
      for (const [number, scenario] of scenarios.entries()) await scenario.seed?.(db, aggressorOf(number))
      await sql`vacuum analyze`.execute(db)
    })
  } finally {
    await database.close()
  }
}

/** @param from rows of `made`, which have an `id` and a `number` */
async function insertTasks(
  db: Kysely<Tables>,
  user: string,
  from: ReturnType<typeof sql>,
  { description = 'Two cartons, the unsweetened kind.', isDeleted = false } = {},
): Promise<void> {
  await sql`
    insert into task (user_id, id, title, description, completed, created_at, updated_at, deleted_at, revision)
    select ${user}, id, md5(number::text), ${description}, false, now() - number * interval '1 second', now(),
      case when ${isDeleted} then now() end, number
    from ${from}`.execute(db)
  await sql`
    insert into user_clock (user_id, revision) select user_id, max(revision) from task where user_id = ${user}
    group by user_id`.execute(db)
}

const made = (count: number) =>
  sql`(select gen_random_uuid() as id, number from generate_series(1, ${count}::int) as number) as made`

/** The largest description has four bytes a character; random ones, because PostgreSQL compresses equal ones away. */
const seedLargeTasks: Seed = (db, user) => {
  const description = Array.from({ length: DESCRIPTION_CHARACTERS }, () =>
    String.fromCodePoint(0x1f300 + Math.floor(Math.random() * 256)),
  ).join('')
  return insertTasks(db, user, made(LARGE_TASKS), { description })
}

const seedTrash: Seed = (db, user) => insertTasks(db, user, made(TOMBSTONES), { isDeleted: true })

/** An empty variable means its default, whatever the environment of this process says. */
const defaults = Object.fromEntries(Object.keys(variables).map(name => [name, '']))

/** How many lines are shown of what a server logged as errors. */
const SHOWN_COMPLAINTS = 3

/** Starts a new process, so that no scenario inherits counters, queued work or memory from the one before. */
async function measureScenario(
  scenario: Scenario,
  number: number,
  env: Record<string, string>,
  seconds: number,
  signal: AbortSignal,
): Promise<Result> {
  // The neighbour's requests that are still in progress at the end need not finish.
  const server = await startServer({ ...defaults, PORT: '0', AUTH_SECRET: SECRET, SHUTDOWN_TIMEOUT: '1', ...env })
  try {
    const { origin } = server
    await warmUp(origin)
    const visitor = await visitorOf(origin, victimOf(number))
    const alone = await visit(visitor, seconds, signal)
    const { beside, report } = await visitBeside(scenario, number, visitor, seconds, signal)
    return { name: scenario.name, alone, beside, report }
  } finally {
    const complaints = await server.stop()
    for (const complaint of complaints.slice(0, SHOWN_COMPLAINTS)) console.error(`  ${complaint.slice(0, 300)}`)
    if (complaints.length > SHOWN_COMPLAINTS) console.error(`  and ${complaints.length - SHOWN_COMPLAINTS} more`)
  }
}

interface Visitor {
  origin: string
  user: string
  token: string
}

const visitorOf = async (origin: string, user: string): Promise<Visitor> => ({
  origin,
  user,
  token: await createToken(user),
})

const visits: Record<Operation, (visitor: Visitor) => Ask> = {
  get: ({ user, token }) => ({ method: 'GET', path: `/api/${user}/tasks/${taskOf(0)}`, token }),
  list: ({ user, token }) => ({ method: 'GET', path: `/api/${user}/tasks?limit=50`, token }),
  create: ({ user, token }) => ({
    method: 'POST',
    path: `/api/${user}/tasks`,
    token,
    key: randomUUID(),
    body: '{"title":"Buy oat milk","description":"Two cartons"}',
  }),
}

const operationOf = (count: number) => operations[count % operations.length] as Operation

async function warmUp(origin: string): Promise<void> {
  const visitor = await visitorOf(origin, WARMER)
  const agent = new Agent({ keepAlive: true })
  for (let count = 0; count < WARM_UP; count += 1) {
    const outcome = await send(origin, agent, visits[operationOf(count)](visitor))
    if (!outcome.startsWith('2')) throw new Error(`a request without any neighbour failed: ${outcome}`)
  }
  agent.destroy()
}

/** Sends the user's requests, each at its time, whether or not earlier ones have been answered. */
async function visit(visitor: Visitor, seconds: number, signal: AbortSignal): Promise<Visit[]> {
  const agent = new Agent({ keepAlive: true })
  const sendOne = async (operation: Operation, due: number): Promise<Visit> => {
    const outcome = await send(visitor.origin, agent, visits[operation](visitor), AbortSignal.timeout(PATIENCE))
    return { operation, milliseconds: performance.now() - due, outcome }
  }
  const sent: Promise<Visit>[] = []
  const start = performance.now()
  for (let count = 0; count < PACE * seconds && !signal.aborted; count += 1) {
    const due = start + (count * 1000) / PACE
    await until(due)
    sent.push(sendOne(operationOf(count), due))
  }
  const answered = await Promise.all(sent)
  agent.destroy()
  return answered
}

async function visitBeside(
  { asks, isForged = false, isPrimed = false, pace }: Scenario,
  number: number,
  visitor: Visitor,
  seconds: number,
  signal: AbortSignal,
): Promise<Pick<Result, 'beside' | 'report'>> {
  const user = aggressorOf(number)
  const token = await createToken(user, isForged ? `not ${SECRET}` : SECRET)
  const { origin } = visitor
  const attack: Attack = { origin, asks: asks(user, token), isPrimed, connections: CONNECTIONS, ...pace, seconds }
  const worker = new Worker(new URL('aggressor.ts', import.meta.url), { workerData: attack })
  try {
    await once(worker, 'message')
    worker.postMessage('go')
    const [beside, [report]] = await Promise.all([visit(visitor, seconds, signal), once(worker, 'message')])
    return { beside, report }
  } finally {
    await worker.terminate()
  }
}

const isSuccess = ({ outcome }: Visit) => outcome.startsWith('2')

function report(title: string, results: Result[], seconds: number): void {
  const columns = operations.flatMap(operation => [`${operation} p50`, `${operation} p95`])
  console.log(`\n${title}, ${seconds} s alone, ${seconds} s beside each neighbour: ms alone → beside (ratio)\n`)
  console.log(`| beside | ${columns.join(' | ')} | the user's failures | the neighbour's responses |`)
  console.log(`| --- | ${columns.map(() => '---: | ').join('')}--- | --- |`)
  for (const { name, alone, beside, report } of results) {
    const latencies = operations.flatMap(operation =>
      [0.5, 0.95].map(part => {
        const [before, after] = [alone, beside].map(visits => quantile(visits, operation, part)) as [number, number]
        return `${shown(before)} → ${shown(after)}${after < Infinity ? ` (${shown(after / before)})` : ''}`
      }),
    )
    const failures = count([...alone, ...beside].filter(visit => !isSuccess(visit)).map(({ outcome }) => outcome))
    console.log(`| ${name} | ${latencies.join(' | ')} | ${counts(failures)} | ${responses(report)} |`)
  }
}

/** A failure counts as infinitely slow: refusing requests at once must not make the service look fast. */
function quantile(visits: Visit[], operation: Operation, part: number): number {
  const sorted = visits
    .filter(visit => visit.operation === operation)
    .map(visit => (isSuccess(visit) ? visit.milliseconds : Infinity))
    .sort((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * part) - 1] as number
}

const shown = (value: number) => (value === Infinity ? 'failed' : value.toFixed(value < 10 ? 1 : 0))

function count(outcomes: string[]): Record<string, number> {
  const numbers: Record<string, number> = {}
  for (const outcome of outcomes) numbers[outcome] = (numbers[outcome] ?? 0) + 1
  return numbers
}

const counts = (numbers: Record<string, number>) =>
  Object.entries(numbers)
    .map(([outcome, number]) => `${outcome}: ${number}`)
    .join(', ') || 'none'

function responses({ sent, outcomes }: AttackReport): string {
  const unanswered = sent - Object.values(outcomes).reduce((sum, number) => sum + number, 0)
  return `${counts({ ...outcomes, ...(unanswered > 0 && { unanswered }) })} of ${sent}`
}
