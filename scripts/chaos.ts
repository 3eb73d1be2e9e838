/**
 * `npm run chaos [-- --seconds 120] [--seed N] [--control NAME] [--citus]`: ten workers on twenty tasks, one client that
 * follows the changes, two servers, one PostgreSQL or a Citus cluster, and random faults. Fails if the history of a task is not linearizable, an
 * acknowledged write is lost, a retried request was executed twice, a task exists twice, or the follower's tasks differ
 * from the service's. A control causes such a failure on purpose and succeeds if it is found.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { findContradiction } from './chaos/checker.ts'
import { type Fault, faults, type Targets, workerFaults } from './chaos/faults.ts'
import { createFollower } from './chaos/follower.ts'
import { createHistory, type History } from './chaos/history.ts'
import { createRequests } from './chaos/requests.ts'
import { createWorkload } from './chaos/workload.ts'
import { hasCitus, startCitusCluster, startCluster } from './support/cluster.ts'
import { connect, execute } from './support/database.ts'
import { NO_CITUS, prepareDistributed } from './support/distribute.ts'
import { createFaultProxy } from './support/fault-proxy.ts'
import { startHealthyProcess } from './support/process.ts'
import { createRandom } from './support/random.ts'
import { abortOnSignals } from './support/signals.ts'

const WORKERS = 10
const TASKS = 20
const SERVERS = 2
const POOL_SIZE = 5
/** The longest pause between two faults, in milliseconds. */
const FAULT_PAUSE = 4_000
const PROGRESS_INTERVAL = 10_000

/** Failures caused on purpose: a statement to run after each fault, or undefined if the client misbehaves instead. */
const controls: Record<string, string | undefined> = {
  'ack-before-commit': undefined,
  'blind-write': undefined,
  'forget-keys': undefined,
  'drop-row': `delete from task where user_id = $1 and id =
      (select id from task where user_id = $1 and deleted_at is null order by id limit 1)`,
  'double-row': `insert into task
      select user_id, gen_random_uuid(), title, description, completed, completed_at, created_at, updated_at, revision
      from task where user_id = $1 and deleted_at is null order by id limit 1`,
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: `${randomInt(2 ** 31)}` },
    control: { type: 'string' },
    citus: { type: 'boolean', default: false },
  },
})
const { control } = values
const seconds = Number(values.seconds)
const seed = Number(values.seed)
if (!(seconds > 0) || !Number.isSafeInteger(seed) || (control !== undefined && !(control in controls))) {
  const names = Object.keys(controls).join('|')
  console.error(`Usage: npm run chaos -- [--seconds 120] [--seed 1] [--control ${names}] [--citus]`)
  process.exit(1)
}

if (values.citus && !hasCitus()) {
  console.log(NO_CITUS)
  process.exit(0)
}
const interrupted = abortOnSignals()
const findings = await run()
for (const finding of findings.slice(0, 20)) console.log(`finding: ${finding}`)
console.log(`${findings.length} findings`)
const found = findings.length > 0
if (control !== undefined)
  console.log(found ? `the control ${control} was found` : `the control ${control} was NOT found`)
process.exit(!interrupted.aborted && found === (control !== undefined) ? 0 : 1)

async function run(): Promise<string[]> {
  const kind = values.citus ? ', on Citus' : ''
  console.log(`seed ${seed}, ${seconds} s${control === undefined ? '' : `, control ${control}`}${kind}`)
  await using stack = new AsyncDisposableStack()
  const citus = values.citus ? stack.use(await startCitusCluster()) : undefined
  if (citus !== undefined) await prepareDistributed(citus.url)
  const cluster = citus ?? stack.use(await startCluster())
  const nodes = citus?.workers ?? []
  const proxy = stack.use(await createFaultProxy({ databaseUrl: cluster.url, dataDir: '', poolSize: POOL_SIZE }))
  await proxy.listen()
  const errors: string[] = []
  const start = async () =>
    stack.use(await startHealthyProcess({ DATABASE_URL: proxy.url, DATABASE_POOL_SIZE: `${POOL_SIZE}` }))
  const servers = [await start()]
  while (servers.length < SERVERS) servers.push(await start())

  const user = `chaos-${randomUUID()}`
  const random = createRandom(seed)
  // Replacements only: an overwritten value that nobody saw would be no contradiction.
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
  const injected = await injectFaults({ cluster, nodes, proxy, servers, start, errors }, random, user, history)
  ending.abort()
  await Promise.all([following, ...workers])
  for (const { url } of [cluster, ...nodes]) await settle(url)
  history.closeUnknown()
  await follower.finish(await workload.readAll())

  const { count, operations, findings } = history
  console.log(`${count.operations} operations on ${operations.size} tasks, ${count.unknown} of unknown outcome`)
  for (const [name, count] of Object.entries(injected)) console.log(`${count} x ${name}`)
  for (const server of servers.splice(0)) errors.push(...(await server.stop()))
  return [...findings, ...errors.filter(isUnexpected), ...contradictions(history)]
}

/** Injects one fault after another until the time is up; returns how often each was injected. */
async function injectFaults(
  targets: Targets,
  random: ReturnType<typeof createRandom>,
  user: string,
  { count }: History,
) {
  const possible: Record<string, Fault> = targets.nodes.length === 0 ? faults : { ...faults, ...workerFaults }
  const sabotage = controls[control ?? '']
  const injected: Record<string, number> = {}
  const end = performance.now() + seconds * 1000
  let progress = performance.now() + PROGRESS_INTERVAL
  while (performance.now() < end && !interrupted.aborted) {
    await sleep(500 + random.below(FAULT_PAUSE))
    const name = random.pick(Object.keys(possible))
    await possible[name]?.(targets, random)
    injected[name] = (injected[name] ?? 0) + 1
    if (sabotage !== undefined) await execute(targets.cluster.url, { text: sabotage, values: [user] })
    if (performance.now() > progress) {
      const left = Math.max(0, Math.round((end - performance.now()) / 1000))
      console.log(`${left} s left, ${count.operations} operations, ${count.unknown} unknown`)
      progress += PROGRESS_INTERVAL
    }
  }
  return injected
}

/**
 * Waits until no statement is in progress on a server and no transaction is prepared: by then each write of unknown
 * outcome has happened, or never will.
 */
async function settle(url: string): Promise<void> {
  await using client = await connect(url)
  // Those of the service, and those that a coordinator sends to its workers.
  const inProgress = `
    select from pg_stat_activity
    where (application_name = 'task-service' or application_name like 'citus\\_internal%') and state <> 'idle'
    union all
    select from pg_prepared_xacts`
  while ((await client.query(inProgress)).rowCount !== 0) await sleep(50)
}

/** Outages, which are caused on purpose here, are logged as errors. */
function isUnexpected(error: string): boolean {
  return !error.includes('the database is unavailable')
}

function contradictions({ operations }: History): string[] {
  return [...operations].flatMap(([id, history]) => {
    const operation = findContradiction(history)
    return operation === undefined ? [] : [`${id}: nothing explains ${JSON.stringify(operation)}`]
  })
}
