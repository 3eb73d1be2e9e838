/** The service beside its peers: the same data, the same load, in turns. */
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import pg from 'pg'
import type { Teardown } from '../support/service.ts'
import { type Measurement, measure, type Operation, operations, TASKS_EACH, taskOf, USERS, userOf } from './load.ts'
import { type Contender, contenders, type Name, names, type Server, startContender } from './servers.ts'
import { cpuSeconds, peakMemory } from './usage.ts'

/** Rates that are promised, as parts or multiples of each other. */
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

/** What is promised of the slowest requests and of the memory, as multiples of the floor's: at most so much. */
const MOST_P99 = 1.3
const MOST_MEMORY = 0.75

interface Sample extends Measurement {
  /** CPU seconds for 1,000 requests. */
  serverCpu: number
  databaseCpu: number
  /** Bytes of write-ahead log for a request. */
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

/** Measures all peers and prints what came out. */
export async function comparePeers(test: Teardown, options: BenchOptions): Promise<boolean> {
  const { samples, servers } = await take(test, options, names)
  if (options.signal.aborted) return false
  report(samples, servers, options)
  return true
}

/** How many times the floor's CPU time the service may use for a request: today it is little more than once, the usual way five times. */
const GUARDED_RATIO = 2

/** Whether a request costs the service not much more CPU time than the floor, which does not depend on the machine's speed. */
export async function guardCost(test: Teardown, options: BenchOptions): Promise<boolean> {
  const { samples } = await take(test, options, ['floor', 'service'])
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

async function take(test: Teardown, { url, rounds, seconds, signal }: BenchOptions, names: readonly Name[]) {
  // The service makes the schema.
  const servers = new Map([['service', await startContender(test, 'service', url)]])
  const postmaster = await seed(url)
  for (const name of names) if (!servers.has(name)) servers.set(name, await startContender(test, name, url))
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  test.teardown(() => client.end())

  const samples: Samples = new Map()
  for (let round = 1; round <= rounds; round += 1) {
    for (const operation of operations) {
      for (const name of names) {
        const { operations: asked = operations }: Contender = contenders[name]
        if (signal.aborted || !asked.includes(operation)) continue
        const sample = await sampleOf(servers.get(name) as Server, operation, seconds, client, postmaster)
        samples.set(`${operation} ${name}`, [...(samples.get(`${operation} ${name}`) ?? []), sample])
        console.error(`round ${round} of ${rounds}: ${operation}, ${name}: ${Math.round(sample.rate)} requests/s`)
      }
    }
  }
  return { samples, servers }
}

/** Makes the data once the schema is there; returns the process id of the database server, if it is of this machine. */
export async function seed(url: string): Promise<number | undefined> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await seedWith(client)
  } finally {
    await client.end()
  }
}

async function seedWith(client: pg.Client): Promise<number | undefined> {
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

/** @param postmaster the database server, where it is of this machine */
async function sampleOf(
  server: Server,
  operation: Operation,
  seconds: number,
  client: pg.Client,
  postmaster: number | undefined,
): Promise<Sample> {
  const pid = server.process.pid as number
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

/** Where the write-ahead log is now, and how many bytes after `position`. */
async function writtenSince(client: pg.Client, position: string): Promise<{ position: string; bytes: number }> {
  const { rows } = await client.query(
    'select pg_current_wal_lsn() as position, pg_wal_lsn_diff(pg_current_wal_lsn(), $1)::float as bytes',
    [position],
  )
  return rows[0]
}

function report(samples: Samples, servers: Map<string, Server>, { rounds, seconds }: BenchOptions): void {
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
  const resident = (name: Name) => peakMemory(servers.get(name)?.process.pid as number)
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
