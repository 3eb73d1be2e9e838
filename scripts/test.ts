/**
 * `npm test [-- files]`: the suite on PGlite, or on the PostgreSQL of TEST_DATABASE_URL; `--postgres` starts a
 * throw-away one. `--citus`: on the coordinator of TEST_CITUS_URL, or else on a throw-away cluster, if Citus is
 * installed; all databases are new and distributed. All of it runs on the Node that runs this file; `--node=26` fails
 * if any process has another version. A whole run ends with the table of the contract's responses that were seen, and
 * fails where one was not.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { migrateUp } from '../src/database/migrate.ts'
import { openDatabase } from '../src/database/open.ts'
import { startCluster } from './support/cluster.ts'
import { reportCoverage } from './support/coverage.ts'
import { createDistributed, NO_CITUS } from './support/distribute.ts'
import { temporaryFolder } from './support/folder.ts'
import { allOnThisNode } from './support/node-versions.ts'
import { BASELINE_WASM } from './support/process.ts'
import { abortOnSignals, exitCode } from './support/signals.ts'

const { values, positionals: files } = parseArgs({
  options: {
    postgres: { type: 'boolean', default: false },
    citus: { type: 'boolean', default: false },
    node: { type: 'string' },
  },
  allowPositionals: true,
})
const { postgres: onPostgres, citus: onCitus, node } = values
if (node !== undefined && process.versions.node.split('.')[0] !== node) {
  console.error(`Node ${node} is required, but this is ${process.versions.node}.`)
  process.exit(1)
}
const tap = fileURLToPath(new URL('../node_modules/.bin/tap', import.meta.url))
const interrupted = abortOnSignals()
process.exit((await run()) ? 0 : 1)

async function run(): Promise<boolean> {
  await using stack = new AsyncDisposableStack()
  const { path: scratch } = stack.use(await temporaryFolder())
  if (!onCitus) return await test(await findDatabase(stack), scratch)
  const distributed = await createDistributed(stack)
  if (distributed !== undefined) return await test(distributed, scratch)
  console.log(NO_CITUS)
  return true
}

/** The connection string of the database that the test files share; undefined for PGlite. */
async function findDatabase(stack: AsyncDisposableStack): Promise<string | undefined> {
  if (onPostgres) return stack.use(await startCluster()).url
  return process.env.TEST_DATABASE_URL || undefined
}

async function test(databaseUrl: string | undefined, scratch: string): Promise<boolean> {
  // Made once and copied by every test file: making a PGlite database takes seconds, copying one does not.
  const template = join(scratch, 'template')
  const database = await openDatabase({ databaseUrl, dataDir: template, poolSize: 3 }, pino({ level: 'silent' }))
  // Not `prepare`, which waits for a database that is not there.
  await database.migrate(migrateUp).finally(() => database.close())
  if (interrupted.aborted) return false

  // tap generates these files in an install script, which `npm ci --ignore-scripts` leaves out.
  const generated = ['.tap/plugins', 'node_modules/@tapjs/test/test-built/dist/esm/index.js']
  const isBuilt = generated.every(path => existsSync(new URL(`../${path}`, import.meta.url)))
  const runTap = (args: string[], env = process.env) =>
    exitCode(spawn(process.execPath, [tap, ...args], { stdio: 'inherit', env }), interrupted)
  if (!isBuilt && (await runTap(['build'])) !== 0) return false
  const whole = files.length === 0
  // Lines that only one PostgreSQL needs are covered there.
  const coverage = whole && !onCitus ? [] : ['--allow-incomplete-coverage']
  const { TEST_CITUS_URL: _, ...inherited } = process.env
  const env = {
    ...inherited,
    ...(databaseUrl && { TEST_DATABASE_URL: databaseUrl }),
    ...(onCitus && { TEST_CITUS_URL: databaseUrl }),
    TEST_TEMPLATE: template,
    TEST_SEEN: join(scratch, 'seen'),
  }
  if ((await runTap([`--node-arg=${BASELINE_WASM}`, ...coverage, ...files], env)) !== 0) return false
  if (node !== undefined && !(await allOnThisNode())) return false
  return !whole || reportCoverage(join(scratch, 'seen'))
}
