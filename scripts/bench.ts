/**
 * `npm run bench [-- --rounds 3 --seconds 5]`: the service beside its peers, on the same data and under the same load,
 * in turns. The floor is hand-written Fastify with raw SQL; the usual way is openapi-backend's own router with Kysely
 * on a pool, and the plain one is the same without revisions. Absolute figures are the machine's; the ratios are what
 * counts.
 * It uses a throw-away PostgreSQL, or that of BENCH_DATABASE_URL, which has to be empty.
 *
 * `-- --guard` fails where a request costs much more CPU time than on the floor;
 * `-- --scale` shows what ten million tasks change, and what 100,000 of one user change, in PGlite, too;
 * `-- --soak` watches the memory for `--seconds`;
 * `-- --start` measures how long a start takes; `-- --processes` what a second process on the same port adds;
 * `-- --neighbours` what one user notices of another who sends the worst that the limits allow.
 */
import { totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { measureOneUser } from './bench/embedded-scale.ts'
import { measureNeighbours } from './bench/neighbours.ts'
import { type BenchOptions, comparePeers, guardCost } from './bench/peers.ts'
import { measureProcesses } from './bench/processes.ts'
import { measureScale } from './bench/scale.ts'
import { soak } from './bench/soak.ts'
import { measureStart } from './bench/start.ts'
import { startCluster } from './support/cluster.ts'
import { heedSignals } from './support/interrupt.ts'
import type { Teardown } from './support/service.ts'

interface Mode {
  /** Prints what came out; false where it is not as it should be. */
  run(test: Teardown, options: BenchOptions): Promise<boolean>
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
  },
})
const [mode = compare] = Object.keys(modes).flatMap(name => (values[name as 'guard'] ? [modes[name] as Mode] : []))
const { rounds = `${mode.rounds}`, seconds = `${mode.seconds}` } = values
if (!(Number(rounds) >= 1) || !(Number(seconds) >= 1)) {
  const flags = Object.keys(modes).map(name => `--${name}`)
  console.error(`Usage: npm run bench -- [${flags.join(' | ')}] [--rounds 3] [--seconds 5]`)
  process.exit(1)
}

const signal = heedSignals()
const cleanUp: (() => unknown)[] = []
const own: Teardown = { teardown: undo => cleanUp.push(undo) }
let isAsItShouldBe = false
try {
  const url = process.env.BENCH_DATABASE_URL ?? (await throwAwayCluster())
  isAsItShouldBe = await mode.run(own, { url, rounds: Number(rounds), seconds: Number(seconds), signal })
} finally {
  for (const undo of cleanUp.reverse()) await undo()
}
process.exit(isAsItShouldBe ? 0 : 1)

async function scale(test: Teardown, options: BenchOptions): Promise<boolean> {
  const oneUser = await measureOneUser(test, options)
  console.log()
  return (await measureScale(test, options)) && oneUser
}

async function throwAwayCluster(): Promise<string> {
  // As PostgreSQL's manual (20.4.1) recommends for a machine that does nothing else.
  const cluster = await startCluster([`shared_buffers=${Math.round(totalmem() / 4 / 2 ** 20)}MB`])
  own.teardown(() => cluster.stop())
  return cluster.url
}
