/**
 * `npm run conformance [-- pglite | postgres]`: Schemathesis against the real server, on a new database of each kind.
 * It fails on any finding, on any error that the server logs, and if the server does not stop with 0.
 */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SignJWT } from 'jose'
import { parse, stringify } from 'yaml'
import { startCluster } from './support/cluster.ts'
import { temporaryFolder } from './support/folder.ts'
import { startHealthyProcess } from './support/process.ts'
import { abortOnSignals, exitCode } from './support/signals.ts'
import { closeResponses } from './support/strict.ts'

const SCHEMATHESIS = 'schemathesis==4.32.5'

const root = fileURLToPath(new URL('../', import.meta.url))
const venv = join(root, 'node_modules/.cache', SCHEMATHESIS)

/** Installs Schemathesis unless it is installed already. */
function install(): void {
  if (existsSync(join(venv, 'bin/schemathesis'))) return
  try {
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' })
  } catch {
    console.error('`python3 -m venv` failed: install Python 3.11 or newer, with ensurepip (Debian: python3-venv).')
    process.exit(1)
  }
  execFileSync(join(venv, 'bin/pip'), ['install', '--quiet', SCHEMATHESIS], { stdio: 'inherit' })
}

/** Settings for a run: of the server beside its database, and of Schemathesis beside `schemathesis.toml`. */
interface Access {
  env: Record<string, string>
  settings: string
  /** Whether the contract's `security` applies; without authentication it does not, as the contract says. */
  secured: boolean
}

/** Without authentication, so any user will do. */
const open: Access = { env: { AUTH_SECRET: '', AUTH_ISSUER: '', AUTH_JWKS_URL: '' }, settings: '', secured: false }

/** With authentication: one user, whose token Schemathesis sends most of the time. */
async function guarded(): Promise<Access> {
  const user = 'schemathesis'
  const secret = randomBytes(32)
  const token = await new SignJWT()
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret.toString('hex')))
  return {
    env: { ...open.env, AUTH_SECRET: secret.toString('hex'), RATE_LIMIT: '0', ADDRESS_RATE_LIMIT: '0' },
    settings: `[auth.openapi.bearer]\nbearer = "${token}"\n[parameters]\n"path.user_id" = "${user}"\n`,
    secured: true,
  }
}

/** Runs Schemathesis against a server on `database`; returns whether it found nothing. */
async function conforms(name: string, database: Record<string, string>, access: Access): Promise<boolean> {
  console.log(`\nSchemathesis on ${name}`)
  await using folder = await temporaryFolder()
  const config = join(folder.path, 'schemathesis.toml')
  await writeFile(config, `${await readFile(join(root, 'schemathesis.toml'), 'utf8')}\n${access.settings}`)
  const contract = join(folder.path, 'openapi.yaml')
  // In this version, undeclared statuses, fields and codes, and strings of another form, are findings.
  const document = closeResponses(parse(await readFile(join(root, 'openapi/openapi.gen.yaml'), 'utf8')))
  await writeFile(contract, stringify(access.secured ? document : { ...document, security: [] }))
  // An empty variable means its default.
  await using server = await startHealthyProcess({ MAX_EVENT_LOOP_DELAY: '', ...database, ...access.env })
  const args = ['--config-file', config, 'run', contract, '--url', server.origin]
  const run = spawn(join(venv, 'bin/schemathesis'), args, { cwd: root, stdio: 'inherit' })
  const code = await exitCode(run, interrupted)
  const errors = await server.stop()
  for (const error of errors) console.error(error)
  return code === 0 && errors.length === 0
}

const databases: Record<string, () => Promise<boolean>> = {
  async pglite() {
    await using folder = await temporaryFolder()
    return await conforms('PGlite, open', { DATABASE_URL: '', DATA_DIR: folder.path }, open)
  },
  async postgres() {
    await using cluster = await startCluster()
    return await conforms('PostgreSQL, with authentication', { DATABASE_URL: cluster.url }, await guarded())
  },
}

const interrupted = abortOnSignals()
install()
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(databases)
const results: boolean[] = []
for (const name of names) {
  if (interrupted.aborted) break
  const run = databases[name]
  if (run === undefined) throw new Error(`Unknown database ${name}: use ${Object.keys(databases).join(' or ')}.`)
  results.push(await run())
}
process.exit(!interrupted.aborted && results.every(Boolean) ? 0 : 1)
