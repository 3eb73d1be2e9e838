/**
 * `npm run chaos [-- --seconds 120] [--seed N] [--control NAME]`: ten workers on twenty tasks, one client that follows the changes,
 * two servers, one PostgreSQL, and faults at random. Fails where the history of a task is not linearizable, an acknowledged
 * write is gone, a repeated request was done twice, a task is there twice, or the follower has other tasks than the service.
 * A control makes such a failure on purpose, and succeeds where it is found.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { findContradiction } from './chaos/checker.ts'
import { faults, type Surroundings } from './chaos/faults.ts'
import { createFollower } from './chaos/follower.ts'
import { createHistory, type History } from './chaos/history.ts'
import { createRandom } from './chaos/random.ts'
import { createRequests } from './chaos/requests.ts'
import { createWorkload } from './chaos/workload.ts'
import { startCluster } from './support/cluster.ts'
import { heedSignals } from './support/interrupt.ts'
import { startServer } from './support/server.ts'
import { layWire } from './support/wire.ts'

const WORKERS = 10
const TASKS = 20
const SERVERS = 2
/** The longest pause between two faults, in milliseconds. */
const FAULT_PAUSE = 4_000
const PROGRESS_INTERVAL = 10_000

/** What goes wrong on purpose: what is done to the database after each fault, or undefined where it is the client that lies. */
const controls: Record<string, string | undefined> = {
  'ack-before-commit': undefined,
  'blind-write': undefined,
  'forget-keys': undefined,
  'drop-row':
    'delete from task where id = (select id from task where user_id = $1 and deleted_at is null order by random() limit 1)',
  'double-row': `insert into task select user_id, gen_random_uuid(), title, description, completed, completed_at, created_at, updated_at, revision
      from task where user_id = $1 and deleted_at is null order by random() limit 1`,
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: `${randomInt(2 ** 31)}` },
    control: { type: 'string' },
  },
})
const { control } = values
const seconds = Number(values.seconds)
const seed = Number(values.seed)
if (!(seconds > 0) || !Number.isSafeInteger(seed) || (control !== undefined && !(control in controls))) {
  console.error(`Usage: npm run chaos -- [--seconds 120] [--seed 1] [--control ${Object.keys(controls).join('|')}]`)
  process.exit(1)
}

const interrupted = heedSignals()
const cleanUp: (() => unknown)[] = []
let findings: string[] = []
try {
  findings = await run()
} finally {
  for (const undo of cleanUp.reverse()) await undo()
}
for (const finding of findings.slice(0, 20)) console.log(`finding: ${finding}`)
console.log(`${findings.length} findings`)
const found = findings.length > 0
if (control !== undefined)
  console.log(found ? `the control ${control} was found` : `the control ${control} was NOT found`)
process.exit(!interrupted.aborted && found === (control !== undefined) ? 0 : 1)

async function run(): Promise<string[]> {
  console.log(`seed ${seed}, ${seconds} s${control === undefined ? '' : `, control ${control}`}`)
  const cluster = await startCluster()
  cleanUp.push(() => cluster.stop())
  const database = { databaseUrl: cluster.url, dataDir: '', poolSize: 5 }
  const wire = await layWire({ teardown: undo => cleanUp.push(undo) }, database)
  await wire.resume()
  const env = { DATABASE_URL: wire.url, DATABASE_POOL_SIZE: `${database.poolSize}`, MAX_EVENT_LOOP_DELAY: '0' }
  const complaints: string[] = []
  const start = () => startServer(env)
  const servers = [await start()]
  while (servers.length < SERVERS) servers.push(await start())
  cleanUp.push(() => Promise.all(servers.map(server => server.kill())))

  const user = `chaos-${randomUUID()}`
  const random = createRandom(seed)
  // Only replacements: what is overwritten without having been seen is no contradiction.
  const lies = createRandom(seed + 1)
  const history = createHistory()
  const requests = createRequests(
    () => servers.map(({ origin }) => origin),
    history.findings,
    control === 'forget-keys',
  )
  const workload = createWorkload(requests, history, user, TASKS, {
    claims: ({ kind }) => control === 'ack-before-commit' && kind === 'replace' && lies.below(50) === 0,
    isBlind: control === 'blind-write',
  })
  const follower = createFollower(requests, history, user)
  const ending = new AbortController()
  const workers = Array.from({ length: WORKERS }, (_, index) =>
    workload.work(createRandom(seed + 2 + index), ending.signal),
  )
  const following = follower.follow(ending.signal)
  const surroundings = { cluster, wire, servers, start, complain: (complaint: string) => complaints.push(complaint) }
  const struck = await strike(surroundings, random, user, history)
  ending.abort()
  await Promise.all([following, ...workers])
  await settle(cluster.url)
  history.closeUnknown()
  await follower.finish(await workload.readAll())

  const { count, operations, findings } = history
  console.log(`${count.operations} operations on ${operations.size} tasks, ${count.unknown} of unknown outcome`)
  for (const [name, count] of Object.entries(struck)) console.log(`${count} x ${name}`)
  for (const server of servers.splice(0)) complaints.push(...(await server.stop()))
  return [...findings, ...complaints.filter(isUnexpected), ...contradictions(history)]
}

/** One fault after another until the time is over; returns how often each struck. */
async function strike(
  surroundings: Surroundings,
  random: ReturnType<typeof createRandom>,
  user: string,
  { count }: History,
) {
  const sabotage = controls[control ?? '']
  const struck: Record<string, number> = {}
  const end = performance.now() + seconds * 1000
  let progress = performance.now() + PROGRESS_INTERVAL
  while (performance.now() < end && !interrupted.aborted) {
    await sleep(500 + random.below(FAULT_PAUSE))
    const name = random.pick(Object.keys(faults))
    await faults[name]?.(surroundings, random)
    struck[name] = (struck[name] ?? 0) + 1
    if (sabotage !== undefined) await administer(surroundings.cluster.url, sabotage, user)
    if (performance.now() > progress) {
      console.log(
        `${Math.max(0, Math.round((end - performance.now()) / 1000))} s left, ${count.operations} operations, ${count.unknown} unknown`,
      )
      progress += PROGRESS_INTERVAL
    }
  }
  return struck
}

async function administer(url: string, statement: string, user: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statement, [user])
  await client.end()
}

/** Once no statement is at work any more, what is unknown has happened or never will. */
async function settle(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const atWork = `select from pg_stat_activity where application_name = 'task-service' and state <> 'idle'`
  while ((await client.query(atWork)).rowCount !== 0) await sleep(50)
  await client.end()
}

/** Outages are logged as errors, and here they are wanted. */
function isUnexpected(complaint: string): boolean {
  return !complaint.includes('the database does not answer')
}

function contradictions({ operations }: History): string[] {
  return [...operations].flatMap(([id, history]) => {
    const operation = findContradiction(history)
    return operation === undefined ? [] : [`${id}: nothing explains ${JSON.stringify(operation)}`]
  })
}
