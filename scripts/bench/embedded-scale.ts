/**
 * Whether requests slow down as one user's tasks accumulate, in the embedded database and in PostgreSQL, with and
 * without planner statistics.
 */
import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { openDatabase } from '../../src/database/open.ts'
import { connect, createDatabase } from '../support/database.ts'
import { temporaryFolder } from '../support/folder.ts'
import { silent } from '../support/service.ts'
import { TASKS_EACH, taskOf } from './load.ts'
import { type BenchOptions, median } from './peers.ts'
import { startContender } from './servers.ts'
import { type TimedRequest, time } from './timed-request.ts'

const FEW = 200
const MANY = 100_000
/** The user who has that many tasks, and the number of other users. */
const OWNER = 'owner'
const OTHERS = 20

const REQUESTS_PER_ROUND = 100
/** How many of the user's tasks are requested, evenly spread: the same number in both, so caches help both alike. */
const REQUESTED = FEW
const BATCH = 20
const PAGE = 50

/**
 * Maximum ratio of a request's time by id with many tasks to that with few. The index is one level deeper, which adds a
 * few percent; the rest is noise. A plan that scans the user's tasks, which PostgreSQL may choose for a partial index
 * when it has no statistics, takes many times as long.
 */
const MOST = 1.2
const bounded = ['get', 'toggle', 'batch of 20']

const own = `/api/${OWNER}`
const retitle = (id: string) => ({ action: 'update', id, changes: { title: randomUUID() } })

/** The requests; `tasks` are some of the user's, in any order. */
const requests: Record<string, (tasks: string[]) => TimedRequest> = {
  get: ([id]) => ({ method: 'GET', path: `${own}/tasks/${id}` }),
  toggle: ([id]) => ({ method: 'PATCH', path: `${own}/tasks/${id}/complete` }),
  'batch of 20': tasks => ({
    method: 'POST',
    path: `${own}/tasks/batch`,
    body: JSON.stringify({ items: tasks.map(retitle) }),
  }),
  create: () => ({ method: 'POST', path: `${own}/tasks`, body: '{"title":"Buy oat milk"}' }),
  list: () => ({ method: 'GET', path: `${own}/tasks?limit=${PAGE}` }),
  changes: () => ({ method: 'GET', path: `${own}/changes?limit=${PAGE}` }),
}

/**
 * `never analyzed` is the state right after loading: there are no statistics when the service opens the database, and
 * only the service itself collects any. Every embedded database starts like this, because PGlite has no autovacuum;
 * PostgreSQL's is switched off here. The column shows what users get in that state, whatever the service does about it.
 */
const states = ['never analyzed', 'analyzed'] as const
type State = (typeof states)[number]
const systems = ['PGlite', 'PostgreSQL'] as const
type System = (typeof systems)[number]

/** The same request to two databases that differ only in the number of tasks. */
interface Pair {
  name: string
  column: string
  sizes: { tasks: number; origin: string; milliseconds: number[] }[]
}

/** Measures, prints, and returns whether no request was too slow. */
export async function measureOneUser({ url, rounds, signal }: BenchOptions): Promise<boolean> {
  await using stack = new AsyncDisposableStack()
  const pairs: Pair[] = []
  for (const system of systems) {
    for (const state of states) {
      const servers: { tasks: number; origin: string }[] = []
      for (const tasks of [FEW, MANY]) {
        if (signal.aborted) return false
        console.error(`${system}, ${state}: ${tasks} tasks`)
        servers.push({ tasks, origin: await serve(stack, url, system, state, tasks) })
      }
      for (const name of Object.keys(requests)) {
        const sizes = servers.map(server => ({ ...server, milliseconds: [] }))
        pairs.push({ name, column: `${system}, ${state}`, sizes })
      }
    }
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  // The first round warms up databases and compilers.
  for (let round = 0; round <= rounds && !signal.aborted; round += 1) {
    for (const { name, column, sizes } of pairs) {
      const request = requests[name] as (tasks: string[]) => TimedRequest
      // They take turns, request by request, so that other load on the machine affects both alike.
      for (let count = 0; count < REQUESTS_PER_ROUND; count += 1) {
        for (const { tasks, origin, milliseconds } of count % 2 === 0 ? sizes : sizes.toReversed()) {
          const duration = await time(agent, origin, request(choose(tasks)))
          if (round > 0) milliseconds.push(duration)
        }
      }
      console.error(`round ${round} of ${rounds}: ${name}, ${column}`)
    }
  }
  agent.destroy()
  return !signal.aborted && report(pairs)
}

/** Different tasks, as many as a batch has. */
function choose(tasks: number): string[] {
  const first = Math.floor(Math.random() * REQUESTED)
  return Array.from({ length: BATCH }, (_, index) => taskOf(((first + index * 7) % REQUESTED) * (tasks / REQUESTED)))
}

/** Loads such a database, then starts the service on it: only one process at a time can open PGlite's folder. */
async function serve(
  stack: AsyncDisposableStack,
  url: string,
  system: System,
  state: State,
  tasks: number,
): Promise<string> {
  const isEmbedded = system === 'PGlite'
  const { path: dataDir } = stack.use(await temporaryFolder())
  const databaseUrl = isEmbedded ? undefined : stack.use(await createDatabase(url)).url
  const database = await openDatabase({ databaseUrl, dataDir, poolSize: 3 }, silent)
  await database.prepare(new AbortController().signal)
  await database.close()

  // Without the service's own code, which might collect statistics while it loads.
  const statements = [...loading(tasks), ...(state === 'analyzed' ? ['analyze'] : [])]
  if (databaseUrl === undefined) {
    const pglite = await PGlite.create(join(dataDir, 'pglite'))
    for (const statement of statements) await pglite.exec(statement)
    await pglite.close()
  } else {
    await using client = await connect(databaseUrl)
    for (const table of ['task', 'user_clock'])
      await client.query(`alter table ${table} set (autovacuum_enabled = off)`)
    for (const statement of statements) await client.query(statement)
  }

  const variables = { QUOTA_TASKS: '0', ...(isEmbedded && { DATA_DIR: dataDir }) }
  const { origin } = stack.use(await startContender('service', databaseUrl, variables))
  return origin
}

/** The indexes exist already: creating them afterwards would count the rows, which is half of an ANALYZE. */
function loading(tasks: number): string[] {
  const insert = (user: string, revision: string, rows: string) => `
    insert into task (user_id, id, title, description, completed, created_at, updated_at, revision)
    select ${user}, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, md5(n::text),
      'Two cartons, the unsweetened kind.', false, now() - n * interval '1 second', now() - n * interval '1 second',
      ${revision}
    from generate_series(${rows}) as n`
  return [
    insert(`'other-' || n % ${OTHERS}`, `n / ${OTHERS} + 1`, `0, ${OTHERS * TASKS_EACH - 1}`),
    insert(`'${OWNER}'`, 'n + 1', `0, ${tasks - 1}`),
    `insert into user_clock (user_id, revision, live)
    select user_id, max(revision), count(*) from task group by user_id`,
  ]
}

function report(pairs: Pair[]): boolean {
  let isFast = true
  const figures = `${FEW} | ${MANY.toLocaleString('en')} | ratio`
  console.log(`| p50 ms, tasks of one user | database | ${figures} | at most |`)
  console.log('| --- | --- | ---: | ---: | ---: | ---: |')
  for (const { name, column, sizes } of pairs.toSorted((a, b) => order(a) - order(b))) {
    const [few, many] = sizes.map(({ milliseconds }) => median(milliseconds)) as [number, number]
    const ratio = many / few
    const isBounded = bounded.includes(name)
    if (isBounded) isFast &&= ratio <= MOST
    const values = [few, many, ratio].map(value => value.toFixed(2))
    console.log(`| ${name} | ${column} | ${values.join(' | ')} | ${isBounded ? MOST : ''} |`)
  }
  return isFast
}

/** Keeps the rows of a request together. */
const order = ({ name }: Pair) => Object.keys(requests).indexOf(name)
