/**
 * The service on one PostgreSQL and on a Citus cluster, which take turns: a coordinator and two workers on the same
 * cores. What the cluster costs, not what it gains: workers of their own would add cores.
 */
import { connect } from '../support/database.ts'
import { createDistributed, NO_CITUS } from '../support/distribute.ts'
import { measure, type Operation, operations } from './load.ts'
import { type BenchOptions, median, seed } from './peers.ts'
import { type RunningContender, startContender } from './servers.ts'

const all: readonly Operation[] = [...operations, 'keyed create']

/** Measures, prints, and returns whether Citus is installed and no request failed. */
export async function measureSharded({ url, rounds, seconds, signal }: BenchOptions): Promise<boolean> {
  await using stack = new AsyncDisposableStack()
  const distributed = await createDistributed(stack)
  if (distributed === undefined) {
    console.log(NO_CITUS)
    return false
  }
  const servers: RunningContender[] = []
  for (const database of [url, distributed]) {
    servers.push(stack.use(await startContender('service', database)))
    await seed(database)
  }
  const rates = new Map<Operation, [number[], number[]]>(all.map(operation => [operation, [[], []]]))
  for (let round = 1; round <= rounds; round += 1) {
    for (const [operation, of] of rates) {
      for (const [index, { origin }] of servers.entries()) {
        if (signal.aborted) return false
        const { rate } = await measure(origin, operation, seconds)
        of[index]?.push(rate)
        console.error(`round ${round} of ${rounds}: ${operation}, ${['one', 'cluster'][index]}: ${Math.round(rate)}/s`)
      }
    }
  }
  console.log('| operation | one PostgreSQL, requests/s | cluster, requests/s | ratio |')
  console.log('| --- | ---: | ---: | ---: |')
  for (const [operation, of] of rates) {
    const [one, cluster] = of.map(median) as [number, number]
    console.log(`| ${operation} | ${Math.round(one)} | ${Math.round(cluster)} | ${(cluster / one).toFixed(2)} |`)
  }
  await reportShards(distributed)
  return true
}

/** How the requests were spread over the shards. */
async function reportShards(url: string): Promise<void> {
  await using client = await connect(url)
  const { rows } = await client.query(
    `select count(*)::int as shards, pg_size_pretty(sum(shard_size)) as size from citus_shards
    where table_name = 'task'::regclass group by nodeport, nodename order by nodeport, nodename`,
  )
  console.log(`\n${rows.map(({ shards, size }) => `${shards} shards of task, ${size}`).join('; ')}`)
}
