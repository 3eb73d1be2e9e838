/**
 * `npm test [-- files]`: the suite on PGlite, or on the PostgreSQL of TEST_DATABASE_URL; `--postgres` starts a throw-away
 * one. A whole run ends with the table of the contract's responses that were seen, and fails where one was not.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { openDatabase } from '../src/database/open.ts'
import { reportCoverage } from '../test/helper/coverage.ts'
import { startCluster } from './postgres.ts'

const files = process.argv.slice(2).filter(argument => argument !== '--postgres')
const cluster = process.argv.includes('--postgres') ? await startCluster() : undefined
const scratch = await mkdtemp(join(tmpdir(), 'task-service-'))
const databaseUrl = cluster?.url ?? (process.env.TEST_DATABASE_URL || undefined)

// Made once and copied by every test file: making a PGlite database takes seconds, copying one does not.
const template = join(scratch, 'template')
const database = await openDatabase({ databaseUrl, dataDir: template, poolSize: 1 }, pino({ level: 'silent' }))
await database.prepare(new AbortController().signal)
await database.close()

const whole = files.length === 0
const tap = spawn('tap', whole ? [] : ['--allow-incomplete-coverage', ...files], {
  stdio: 'inherit',
  env: {
    ...process.env,
    ...(databaseUrl && { TEST_DATABASE_URL: databaseUrl }),
    TEST_TEMPLATE: template,
    TEST_SEEN: join(scratch, 'seen'),
  },
})
const [code] = await once(tap, 'exit')
const complete = !whole || (await reportCoverage(join(scratch, 'seen')))
await cluster?.stop()
await rm(scratch, { recursive: true, force: true })
process.exit(code === 0 && complete ? 0 : 1)
