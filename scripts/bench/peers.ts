/** Compares the service with its peers, which take turns on the same data under the same load. */
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import type pg from 'pg'
import { connect } from '../support/database.ts'
import { type Measurement, measure, type Operation, operations, TASKS_EACH, taskOf, USERS, userOf } from './load.ts'
import { type Contender, contenders, type Name, names, type RunningContender, startContender } from './servers.ts'
import { cpuSeconds, peakMemory } from './usage.ts'

/** Targets for rates: at least so many times the rate of the other server. */
const targets: [Operation, Name, Name, number][] = [
  ['get', 'service', 'floor', 0.9],
  ['list', 'service', 'floor', 0.88],
  ['create', 'service', 'floor', 0.85],
  ['toggle', 'service', 'floor', 0.85],
  ['get', 'service', 'usual', 5],
  ['list', 'service', 'usual', 4],
  ['create', 'service', 'usual', 2],
  ['create', 'service', 'plain', 2],
  ['get', 'service, JWT', 'service', 0.92],
  ['get', 'service, info log', 'service', 0.85],
]

/** Targets for slow requests and memory: at most so many times those of the floor. */
const MOST_P99 = 1.3
const MOST_MEMORY = 0.75

interface Sample extends Measurement {
  /** CPU seconds per 1,000 requests. */
  serverCpu: number
  databaseCpu: number
  /** Bytes of write-ahead log per request. */
  wal: number
}

export interface BenchOptions {
  /** Of the database. */
  url: string
  rounds: number
  /** How long each measurement takes. */
  seconds: number
  /** Ends it early, without a report. */
  signal: AbortSignal
}

/** Measures all peers and prints the results. */
export async function comparePeers(options: BenchOptions): Promise<boolean> {
  await using stack = new AsyncDisposableStack()
  const servers = await startAll(stack, options, names)
  const samples = await take(servers, options)
  if (options.signal.aborted) return false
  report(samples, servers, options)
  return true
}

/** How many times the floor's CPU time a request may cost; today it is a little more than 1, and 5 the usual way. */
const GUARDED_RATIO = 2

/** Checks that a request costs little more CPU time than on the floor, a ratio that does not depend on the machine. */
export async function guardCost(options: BenchOptions): Promise<boolean> {
  await using stack = new AsyncDisposableStack()
  const servers = await startAll(stack, options, ['floor', 'service'])
  const samples = await take(servers, options)
  const ratios = operations.map(operation => {
    const [floor, service] = (['floor', 'service'] as const).map(name =>
      median((samples.get(`${operation} ${name}`) ?? []).map(({ serverCpu }) => serverCpu)),
    ) as [number, number]
    console.log(`${operation}: ${(service / floor).toFixed(2)} times the CPU time of the floor`)
    return service / floor
  })
  return ratios.every(ratio => ratio <= GUARDED_RATIO)
}

type Samples = Map<string, Sample[]>

interface Servers {
  byName: Map<Name, RunningContender>
  /** Process id of the database server, if it runs on this machine. */
  postmaster: number | undefined
}

/** Starts the contenders, which end with `stack`, and creates the data. */
async function startAll(stack: AsyncDisposableStack, { url }: BenchOptions, names: readonly Name[]): Promise<Servers> {
  // The service creates the schema.
  const service = stack.use(await startContender('service', url))
  const postmaster = await seed(url)
  const byName: Servers['byName'] = new Map()
  for (const name of names) byName.set(name, name === 'service' ? service : stack.use(await startContender(name, url)))
  return { byName, postmaster }
}

async function take({ byName, postmaster }: Servers, { url, rounds, seconds, signal }: BenchOptions): Promise<Samples> {
  await using client = await connect(url)
  const samples: Samples = new Map()
  for (let round = 1; round <= rounds; round += 1) {
    for (const operation of operations) {
      for (const [name, server] of byName) {
        const { operations: asked = operations }: Contender = contenders[name]
        if (signal.aborted || !asked.includes(operation)) continue
        const sample = await sampleOf(server, operation, seconds, client, postmaster)
        samples.set(`${operation} ${name}`, [...(samples.get(`${operation} ${name}`) ?? []), sample])
        console.error(`round ${round} of ${rounds}: ${operation}, ${name}: ${Math.round(sample.rate)} requests/s`)
      }
    }
  }
  return samples
}

/** Creates the data in an existing schema; returns the database server's process id if it runs on this machine. */
export async function seed(url: string): Promise<number | undefined> {
  await using client = await connect(url)
  const users = Array.from({ length: USERS }, (_, number) => userOf(number))
  await client.query('insert into user_clock (user_id, revision) select unnest($1::text[]), $2', [users, TASKS_EACH])
  for (const [number, user] of users.entries()) {
    const ids = Array.from({ length: TASKS_EACH }, (_, index) => taskOf(number * TASKS_EACH + index))
    await client.query(
      `insert into task (user_id, id, title, description, completed, created_at, updated_at, revision)
      select $1, id, 'Buy oat milk', 'Two cartons, the unsweetened kind.', false, now(), now(), number
      from unnest($2::uuid[]) with ordinality as made (id, number)`,
      [user, ids],
    )
  }
  await client.query('vacuum analyze')
  const backend = (await client.query('select pg_backend_pid() as pid')).rows[0].pid as number
  return process.env.BENCH_DATABASE_URL === undefined ? parentOf(backend) : undefined
}

async function sampleOf(
  server: RunningContender,
  operation: Operation,
  seconds: number,
  client: pg.Client,
  postmaster: number | undefined,
): Promise<Sample> {
  const pid = server.child.pid as number
  const used = () => [cpuSeconds(pid), postmaster === undefined ? Number.NaN : cpuSeconds(postmaster)] as const
  const start = await writtenSince(client, '0/0')
  const before = used()
  const measurement = await measure(server.origin, operation, seconds, server.tokens)
  const after = used()
  const { bytes } = await writtenSince(client, start.position)
  const thousands = measurement.requests / 1000
  return {
    ...measurement,
    serverCpu: (after[0] - before[0]) / thousands,
    databaseCpu: (after[1] - before[1]) / thousands,
    wal: bytes / measurement.requests,
  }
}

/** The current position of the write-ahead log, and the bytes written since `position`. */
async function writtenSince(client: pg.Client, position: string): Promise<{ position: string; bytes: number }> {
  const { rows } = await client.query(
    'select pg_current_wal_lsn() as position, pg_wal_lsn_diff(pg_current_wal_lsn(), $1)::float as bytes',
    [position],
  )
  return rows[0]
}

function report(samples: Samples, { byName }: Servers, { rounds, seconds }: BenchOptions): void {
  const processor = cpus()[0]?.model.trim()
  const memory = Math.round(totalmem() / 2 ** 30)
  console.log(
    `Node ${process.version}, ${cpus().length} cores (${processor}), ${memory} GB; medians of ${rounds} rounds of ${seconds} s\n`,
  )
  console.log(
    '| operation | server | requests/s | p50 ms | p99 ms | server CPU s/1000 | database CPU s/1000 | WAL B/request |',
  )
  console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |')
  const of = (operation: Operation, name: Name, value: (sample: Sample) => number) =>
    median((samples.get(`${operation} ${name}`) ?? []).map(value))
  for (const operation of operations) {
    for (const name of names.filter(name => samples.has(`${operation} ${name}`))) {
      const figures = [
        Math.round(of(operation, name, sample => sample.rate)),
        of(operation, name, sample => sample.p50).toFixed(1),
        of(operation, name, sample => sample.p99).toFixed(1),
        of(operation, name, sample => sample.serverCpu).toFixed(3),
        of(operation, name, sample => sample.databaseCpu).toFixed(3),
        Math.round(of(operation, name, sample => sample.wal)),
      ]
      console.log(`| ${operation} | ${name} | ${figures.join(' | ')} |`)
    }
  }
  console.log('\n| rate of | compared with | ratio | by CPU of the server | target |')
  console.log('| --- | --- | ---: | ---: | ---: |')
  for (const [operation, name, other, target] of targets) {
    const rate = of(operation, name, sample => sample.rate) / of(operation, other, sample => sample.rate)
    const cpu = of(operation, other, sample => sample.serverCpu) / of(operation, name, sample => sample.serverCpu)
    console.log(`| ${operation}, ${name} | ${other} | ${rate.toFixed(2)} | ${cpu.toFixed(2)} | ${target} |`)
  }
  console.log('\n| service / floor | ratio | at most |')
  console.log('| --- | ---: | ---: |')
  for (const operation of operations) {
    const p99 = (name: Name) => of(operation, name, sample => sample.p99)
    console.log(`| p99 of ${operation} | ${(p99('service') / p99('floor')).toFixed(2)} | ${MOST_P99} |`)
  }
  const resident = (name: Name) => peakMemory(byName.get(name)?.child.pid as number)
  console.log(`| resident memory | ${(resident('service') / resident('floor')).toFixed(2)} | ${MOST_MEMORY} |`)
  console.log('\n| server | peak resident memory, MB |')
  console.log('| --- | ---: |')
  for (const name of names) console.log(`| ${name} | ${Math.round(resident(name))} |`)
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] as number
}

function parentOf(pid: number): number {
  return Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
