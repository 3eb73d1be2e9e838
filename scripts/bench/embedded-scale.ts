/**
 * Whether a request costs more where one user has more tasks, in the embedded database and in PostgreSQL, with and
 * without the statistics that plans are chosen by.
 */
import { Agent } from 'node:http'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { pino } from 'pino'
import { openDatabase } from '../../src/database/open.ts'
import { type Teardown, temporaryFolder } from '../support/service.ts'
import { TASKS_EACH, taskOf } from './load.ts'
import { type BenchOptions, median } from './peers.ts'
import { startContender } from './servers.ts'
import { connect, createDatabase, type TimedAsk, time } from './timed.ts'

const FEW = 200
const MANY = 100_000
/** The user who has so many, and how many others there are. */
const OWNER = 'owner'
const OTHERS = 20

const REQUESTS_A_ROUND = 100
/** So many of the user's tasks are asked for, evenly spread: as many in both, so that caches help both alike. */
const ASKED = FEW
const BATCH = 20
const PAGE = 50

/**
 * How many times as long a request by id may take with many tasks as with few. The index is a level deeper, which is a
 * few hundredths; the rest is noise. A plan that walks the user's tasks, as PostgreSQL makes them where it has no
 * statistics and a partial index to choose, takes many times as long.
 */
const MOST = 1.2
const bounded = ['get', 'toggle', 'batch of 20']

const own = `/api/${OWNER}`
const complete = (id: string) => ({ action: 'complete', id })

/** What is asked; `tasks` is a choice of the user's, in any order. */
const asks: Record<string, (tasks: string[]) => TimedAsk> = {
  get: ([id]) => ({ method: 'GET', path: `${own}/tasks/${id}` }),
  toggle: ([id]) => ({ method: 'PATCH', path: `${own}/tasks/${id}/complete` }),
  'batch of 20': tasks => ({
    method: 'POST',
    path: `${own}/tasks/batch`,
    body: JSON.stringify({ items: tasks.map(complete) }),
  }),
  create: () => ({ method: 'POST', path: `${own}/tasks`, body: '{"title":"Buy oat milk"}' }),
  list: () => ({ method: 'GET', path: `${own}/tasks?limit=${PAGE}` }),
  changes: () => ({ method: 'GET', path: `${own}/changes?limit=${PAGE}` }),
}

/**
 * `never analyzed` is the state right after loading: there are no statistics when the service opens the database, and
 * nobody but the service itself makes any. So an embedded database is from its first day on, for it has no autovacuum;
 * PostgreSQL's is switched off here. The column shows what users get in that state, whatever the service does about it.
 */
const states = ['never analyzed', 'analyzed'] as const
type State = (typeof states)[number]
const systems = ['PGlite', 'PostgreSQL'] as const
type System = (typeof systems)[number]

/** The same request to two databases that differ in nothing but the number of tasks. */
interface Pair {
  name: string
  column: string
  sizes: { tasks: number; origin: string; milliseconds: number[] }[]
}

/** Measures, prints, and says whether nothing took too long. */
export async function measureOneUser(test: Teardown, { url, rounds, signal }: BenchOptions): Promise<boolean> {
  const pairs: Pair[] = []
  for (const system of systems) {
    for (const state of states) {
      const servers: { tasks: number; origin: string }[] = []
      for (const tasks of [FEW, MANY]) {
        if (signal.aborted) return false
        console.error(`${system}, ${state}: ${tasks} tasks`)
        servers.push({ tasks, origin: await serve(test, url, system, state, tasks) })
      }
      for (const name of Object.keys(asks)) {
        const sizes = servers.map(server => ({ ...server, milliseconds: [] }))
        pairs.push({ name, column: `${system}, ${state}`, sizes })
      }
    }
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  // The first round is for what the databases and the compilers have not seen yet.
  for (let round = 0; round <= rounds && !signal.aborted; round += 1) {
    for (const { name, column, sizes } of pairs) {
      const ask = asks[name] as (tasks: string[]) => TimedAsk
      // In turns, request by request: what else the machine does slows both alike.
      for (let count = 0; count < REQUESTS_A_ROUND; count += 1) {
        for (const { tasks, origin, milliseconds } of count % 2 === 0 ? sizes : sizes.toReversed()) {
          const duration = await time(agent, origin, ask(choose(tasks)))
          if (round > 0) milliseconds.push(duration)
        }
      }
      console.error(`round ${round} of ${rounds}: ${name}, ${column}`)
    }
  }
  agent.destroy()
  return !signal.aborted && report(pairs)
}

/** Different ones, as many as a batch has. */
function choose(tasks: number): string[] {
  const first = Math.floor(Math.random() * ASKED)
  return Array.from({ length: BATCH }, (_, index) => taskOf(((first + index * 7) % ASKED) * (tasks / ASKED)))
}

/** Makes such a database and starts the service on it: in this order, for one process at a time has PGlite's folder. */
async function serve(test: Teardown, url: string, system: System, state: State, tasks: number): Promise<string> {
  const isEmbedded = system === 'PGlite'
  const dataDir = await temporaryFolder(test)
  const name = `one_user_${tasks}_${state.replace(' ', '_')}`
  const databaseUrl = isEmbedded ? undefined : await createDatabase(url, name)
  const database = await openDatabase({ databaseUrl, dataDir, poolSize: 3 }, pino({ level: 'silent' }))
  await database.prepare(new AbortController().signal)
  await database.close()

  // Not by the service's own code, which could make statistics while it loads.
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
  const { origin } = await startContender(test, 'service', databaseUrl, variables)
  while ((await fetch(`${origin}/health`)).status !== 200);
  return origin
}

/** The indexes are there already: making them afterwards would count the rows, which is half of an ANALYZE. */
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

/** Rows of one request beside each other. */
const order = ({ name }: Pair) => Object.keys(asks).indexOf(name)
