/**
 * The service on one PostgreSQL and on a Citus cluster, which take turns: a coordinator and two workers on the same
 * cores. This measures what distribution costs; what it gains are the cores and disks of further servers.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import { connect } from '../support/database.ts'
import { createDistributed, NO_CITUS } from '../support/distribute.ts'
import { measure, type Operation, operations } from './load.ts'
import { type BenchOptions, median, seed } from './peers.ts'
import { type RunningContender, startContender } from './servers.ts'
import { cpuSeconds } from './usage.ts'

const all: readonly Operation[] = [...operations, 'keyed create']

/** Requests per second, and CPU seconds per 1,000 requests. */
interface Sample {
  rate: number
  /** Of the one server, or of the coordinator. */
  first: number
  /** Of the workers. */
  others: number
}

/** The service with a database on this machine. */
interface Side {
  name: string
  server: RunningContender
  /** The process ids of the database servers; a coordinator comes first. */
  postmasters: number[]
  samples: Map<Operation, Sample[]>
}

/** Measures, prints, and returns whether Citus is installed and the measurement was not interrupted. */
export async function measureSharded({ url, rounds, seconds, signal }: BenchOptions): Promise<boolean> {
  await using stack = new AsyncDisposableStack()
  const distributed = await createDistributed(stack)
  if (distributed === undefined) {
    console.log(NO_CITUS)
    return false
  }
  const sides: Side[] = []
  for (const [name, database] of Object.entries({ 'one PostgreSQL': url, cluster: distributed })) {
    const server = stack.use(await startContender('service', database))
    await seed(database)
    const postmasters = await postmastersOf(stack.use(await connect(database)), name === 'cluster')
    sides.push({ name, server, postmasters, samples: new Map(all.map(operation => [operation, []])) })
  }
  for (let round = 1; round <= rounds; round += 1) {
    for (const operation of all) {
      for (const { name, server, postmasters, samples } of sides) {
        if (signal.aborted) return false
        const before = postmasters.map(cpuSeconds)
        const { rate, requests } = await measure(server.origin, operation, seconds)
        const [first = 0, ...others] = postmasters.map(
          (pid, index) => ((cpuSeconds(pid) - (before[index] as number)) * 1000) / requests,
        )
        samples.get(operation)?.push({ rate, first, others: others.reduce((sum, cpu) => sum + cpu, 0) })
        console.error(`round ${round} of ${rounds}: ${operation}, ${name}: ${Math.round(rate)} requests/s`)
      }
    }
  }
  report(sides as [Side, Side])
  return true
}

/** Of the server that `client` is connected to and, if it is a coordinator, of its workers; all on this machine. */
async function postmastersOf(client: pg.Client, isCoordinator: boolean): Promise<number[]> {
  const folder = `select current_setting('data_directory') as folder`
  const { rows } = await client.query(folder)
  const workers = isCoordinator
    ? (await client.query('select result as folder from run_command_on_workers($1)', [folder])).rows
    : []
  return [...rows, ...workers].map(({ folder }) =>
    Number.parseInt(readFileSync(join(folder, 'postmaster.pid'), 'utf8'), 10),
  )
}

function report([one, cluster]: [Side, Side]): void {
  const of = ({ samples }: Side, operation: Operation, value: (sample: Sample) => number) =>
    median((samples.get(operation) ?? []).map(value))
  console.log('| operation | one PostgreSQL, requests/s | cluster, requests/s | ratio |')
  console.log('| --- | ---: | ---: | ---: |')
  for (const operation of all) {
    const [single, sharded] = [one, cluster].map(side => of(side, operation, ({ rate }) => rate)) as [number, number]
    const rates = [single, sharded].map(Math.round).join(' | ')
    console.log(`| ${operation} | ${rates} | ${(sharded / single).toFixed(2)} |`)
  }
  console.log('\n| CPU s/1000 requests | one PostgreSQL | coordinator | workers |')
  console.log('| --- | ---: | ---: | ---: |')
  for (const operation of all) {
    const figures = [
      of(one, operation, ({ first }) => first),
      of(cluster, operation, ({ first }) => first),
      of(cluster, operation, ({ others }) => others),
    ]
    console.log(`| ${operation} | ${figures.map(cpu => cpu.toFixed(3)).join(' | ')} |`)
  }
}
