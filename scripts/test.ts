/**
 * `npm test [-- files]`: the suite on PGlite, or on the PostgreSQL of TEST_DATABASE_URL; `--postgres` starts a
 * throw-away one. A whole run ends with the table of the contract's responses that were seen, and fails where one was
 * not.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { migrateUp } from '../src/database/migrate.ts'
import { openDatabase } from '../src/database/open.ts'
import { startCluster } from './support/cluster.ts'
import { reportCoverage } from './support/coverage.ts'
import { BASELINE_WASM } from './support/process.ts'
import { abortOnSignals, exitCode } from './support/signals.ts'

const files = process.argv.slice(2).filter(argument => argument !== '--postgres')
const interrupted = abortOnSignals()
const cluster = process.argv.includes('--postgres') ? await startCluster() : undefined
const scratch = await mkdtemp(join(tmpdir(), 'task-service-'))
let passed = false
try {
  passed = await test(cluster?.url ?? (process.env.TEST_DATABASE_URL || undefined))
} finally {
  await cluster?.[Symbol.asyncDispose]()
  await rm(scratch, { recursive: true, force: true })
}
process.exit(passed ? 0 : 1)

async function test(databaseUrl: string | undefined): Promise<boolean> {
  // Made once and copied by every test file: making a PGlite database takes seconds, copying one does not.
  const template = join(scratch, 'template')
  const database = await openDatabase({ databaseUrl, dataDir: template, poolSize: 3 }, pino({ level: 'silent' }))
  // Not `prepare`, which waits for a database that is not there.
  await database.migrate(migrateUp).finally(() => database.close())
  if (interrupted.aborted) return false

  // tap generates these files in an install script, which `npm ci --ignore-scripts` leaves out.
  const generated = ['.tap/plugins', 'node_modules/@tapjs/test/test-built/dist/esm/index.js']
  const isBuilt = generated.every(path => existsSync(new URL(`../${path}`, import.meta.url)))
  if (!isBuilt && (await exitCode(spawn('tap', ['build'], { stdio: 'inherit' }), interrupted)) !== 0) return false
  const whole = files.length === 0
  const tap = spawn(
    'tap',
    [`--node-arg=${BASELINE_WASM}`, ...(whole ? [] : ['--allow-incomplete-coverage', ...files])],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        ...(databaseUrl && { TEST_DATABASE_URL: databaseUrl }),
        TEST_TEMPLATE: template,
        TEST_SEEN: join(scratch, 'seen'),
      },
    },
  )
  if ((await exitCode(tap, interrupted)) !== 0) return false
  return !whole || reportCoverage(join(scratch, 'seen'))
}
