/**
 * `npm run bench [-- --rounds 3 --seconds 5]`: compares the service with its peers, which take turns on the same
 * data under the same load. The floor is hand-written Fastify with raw SQL; the usual way is openapi-backend's own
 * router with Kysely on a pool; the plain way is the same without revisions. Absolute numbers depend on the machine, so
 * compare the ratios.
 * It uses a throw-away PostgreSQL, or the one of BENCH_DATABASE_URL, whose database must be empty.
 *
 * `-- --guard` fails if a request costs much more CPU time than on the floor;
 * `-- --scale` measures the effect of ten million tasks, and of 100,000 tasks of one user (in PGlite, too);
 * `-- --soak` watches the memory for `--seconds`;
 * `-- --start` measures how long a start takes; `-- --processes` what a second process on the same port adds;
 * `-- --search` measures search and filters, by a user's number of tasks;
 * `-- --sharded` compares one PostgreSQL with a Citus cluster;
 * `-- --neighbours` how one user is affected by another who sends the worst that the limits allow.
 */
import { totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { measureOneUser } from './bench/embedded-scale.ts'
import { measureNeighbours } from './bench/neighbours.ts'
import { type BenchOptions, comparePeers, guardCost } from './bench/peers.ts'
import { measureProcesses } from './bench/processes.ts'
import { measureScale } from './bench/scale.ts'
import { measureSearch } from './bench/search.ts'
import { measureSharded } from './bench/sharded.ts'
import { soak } from './bench/soak.ts'
import { measureStart } from './bench/start.ts'
import { startCluster } from './support/cluster.ts'
import { abortOnSignals } from './support/signals.ts'

interface Mode {
  /** Measures and prints the results; returns whether they meet the targets. */
  run(options: BenchOptions): Promise<boolean>
  rounds: number
  seconds: number
}

const compare: Mode = { run: comparePeers, rounds: 3, seconds: 5 }
const modes: Record<string, Mode> = {
  guard: { run: guardCost, rounds: 3, seconds: 1 },
  scale: { run: scale, rounds: 5, seconds: 1 },
  soak: { run: soak, rounds: 1, seconds: 600 },
  start: { run: measureStart, rounds: 5, seconds: 1 },
  processes: { run: measureProcesses, rounds: 3, seconds: 3 },
  neighbours: { run: measureNeighbours, rounds: 1, seconds: 7 },
  search: { run: measureSearch, rounds: 5, seconds: 1 },
  sharded: { run: measureSharded, rounds: 5, seconds: 4 },
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    guard: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
    soak: { type: 'boolean', default: false },
    start: { type: 'boolean', default: false },
    processes: { type: 'boolean', default: false },
    neighbours: { type: 'boolean', default: false },
    search: { type: 'boolean', default: false },
    sharded: { type: 'boolean', default: false },
  },
})
const [mode = compare] = Object.keys(modes).flatMap(name => (values[name as 'guard'] ? [modes[name] as Mode] : []))
const { rounds = `${mode.rounds}`, seconds = `${mode.seconds}` } = values
if (!(Number(rounds) >= 1) || !(Number(seconds) >= 1)) {
  const flags = Object.keys(modes).map(name => `--${name}`)
  console.error(`Usage: npm run bench -- [${flags.join(' | ')}] [--rounds 3] [--seconds 5]`)
  process.exit(1)
}

process.exit((await run()) ? 0 : 1)

async function run(): Promise<boolean> {
  const signal = abortOnSignals()
  // As PostgreSQL's manual (20.4.1) recommends for a machine that does nothing else.
  const settings = [`shared_buffers=${Math.round(totalmem() / 4 / 2 ** 20)}MB`]
  await using cluster = process.env.BENCH_DATABASE_URL === undefined ? await startCluster(settings) : undefined
  const url = cluster?.url ?? (process.env.BENCH_DATABASE_URL as string)
  return await mode.run({ url, rounds: Number(rounds), seconds: Number(seconds), signal })
}

async function scale(options: BenchOptions): Promise<boolean> {
  const oneUser = await measureOneUser(options)
  console.log()
  return (await measureScale(options)) && oneUser
}
