/**
 * What a user notices of a neighbour who sends the worst that the limits allow: the latency of one user's requests,
 * alone and beside each kind of neighbour, on both databases. The service runs with its default limits.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { temporaryFolder } from '../support/folder.ts'
import { startHealthyProcess } from '../support/process.ts'
import { CONNECTIONS } from './load.ts'
import type { Attack } from './neighbours/aggressor.ts'
import { aggressorOf, seed, victimOf } from './neighbours/data.ts'
import { type Result, report } from './neighbours/report.ts'
import { type Scenario, scenariosOf } from './neighbours/scenarios.ts'
import { isSuccess, type Visitor, visit, visitorOf, warmUp } from './neighbours/visit.ts'
import type { BenchOptions } from './peers.ts'
import { createToken, defaults, SECRET } from './servers.ts'

/** How many of the errors that a server logged are shown. */
const SHOWN_ERRORS = 3

/** Measures, prints, and returns whether every request of the user succeeded: a neighbour must not make any fail. */
export async function measureNeighbours({ url, seconds, signal }: BenchOptions): Promise<boolean> {
  await using folder = await temporaryFolder()
  const databases = [
    { title: 'PostgreSQL', env: { DATABASE_URL: url, DATA_DIR: '' } },
    { title: 'PGlite', env: { DATABASE_URL: '', DATA_DIR: join(folder.path, 'data') } },
  ]
  const scenarios = scenariosOf(seconds)
  let isUnharmed = true
  for (const { title, env } of databases) {
    console.error(`${title}: creating the data`)
    await seed(
      { databaseUrl: env.DATABASE_URL || undefined, dataDir: env.DATA_DIR, poolSize: 3 },
      scenarios.map(scenario => scenario.seed),
    )
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

/** Starts a new process, so that no scenario inherits counters, queued work or memory from the one before. */
async function measureScenario(
  scenario: Scenario,
  number: number,
  env: Record<string, string>,
  seconds: number,
  signal: AbortSignal,
): Promise<Result> {
  // The neighbour's requests that are still in progress at the end need not finish.
  const variables = { ...defaults, PORT: '0', AUTH_SECRET: SECRET, SHUTDOWN_TIMEOUT: '1', ...env }
  await using server = await startHealthyProcess(variables)
  try {
    const { origin } = server
    await warmUp(origin)
    const visitor = await visitorOf(origin, victimOf(number))
    const alone = await visit(visitor, seconds, signal)
    const { beside, report } = await visitBeside(scenario, number, visitor, seconds, signal)
    return { name: scenario.name, alone, beside, report }
  } finally {
    const errors = await server.stop()
    for (const error of errors.slice(0, SHOWN_ERRORS)) console.error(`  ${error.slice(0, 300)}`)
    if (errors.length > SHOWN_ERRORS) console.error(`  and ${errors.length - SHOWN_ERRORS} more`)
  }
}

async function visitBeside(
  { requests, isForged = false, isPrimed = false, pace }: Scenario,
  number: number,
  visitor: Visitor,
  seconds: number,
  signal: AbortSignal,
): Promise<Pick<Result, 'beside' | 'report'>> {
  const user = aggressorOf(number)
  const token = await createToken(user, isForged ? `not ${SECRET}` : SECRET)
  const { origin } = visitor
  const attack: Attack = {
    origin,
    requests: requests(user, token),
    isPrimed,
    connections: CONNECTIONS,
    ...pace,
    seconds,
  }
  const worker = new Worker(new URL('neighbours/aggressor.ts', import.meta.url), { workerData: attack })
  try {
    await once(worker, 'message')
    worker.postMessage('go')
    const [beside, [report]] = await Promise.all([visit(visitor, seconds, signal), once(worker, 'message')])
    return { beside, report }
  } finally {
    await worker.terminate()
  }
}
