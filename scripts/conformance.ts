/**
 * `npm run conformance [-- pglite | postgres]`: Schemathesis against the real server, on a new database of each kind.
 * It fails on any finding, on any error that the server logs, and where the server does not stop well.
 */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SignJWT } from 'jose'
import { parse, stringify } from 'yaml'
import { startCluster } from './support/cluster.ts'
import { exitCode, heedSignals } from './support/interrupt.ts'
import { startServer } from './support/server.ts'

const SCHEMATHESIS = 'schemathesis==4.32.5'

const root = fileURLToPath(new URL('../', import.meta.url))
const venv = join(root, 'node_modules/.cache', SCHEMATHESIS)

/** Installs Schemathesis where it is not yet. */
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

/** A run: what the server and Schemathesis are told beside the database, the contract and `schemathesis.toml`. */
interface Access {
  env: Record<string, string>
  settings: string
  /** Whether the contract's `security` holds; it says itself that it does not where no authentication is configured. */
  secured: boolean
}

/** Without authentication: users of all kinds. */
const open: Access = { env: { AUTH_SECRET: '', AUTH_ISSUER: '', AUTH_JWKS_URL: '' }, settings: '', secured: false }

/** With authentication: one user, whose token Schemathesis has and sometimes leaves out. */
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

/** Runs Schemathesis against a server on `database`; true where nothing was found. */
async function conforms(name: string, database: Record<string, string>, access: Access): Promise<boolean> {
  console.log(`\nSchemathesis on ${name}`)
  const folder = await mkdtemp(join(tmpdir(), 'schemathesis-'))
  const config = join(folder, 'schemathesis.toml')
  await writeFile(config, `${await readFile(join(root, 'schemathesis.toml'), 'utf8')}\n${access.settings}`)
  const contract = join(folder, 'openapi.yaml')
  const document = parse(await readFile(join(root, 'openapi/openapi.yaml'), 'utf8'))
  await writeFile(contract, stringify(access.secured ? document : { ...document, security: [] }))
  const server = await startServer({ ...database, ...access.env })
  const args = ['--config-file', config, 'run', contract, '--url', server.origin]
  const run = spawn(join(venv, 'bin/schemathesis'), args, { cwd: root, stdio: 'inherit' })
  const code = await exitCode(run, interrupted)
  const complaints = await server.stop()
  await rm(folder, { recursive: true })
  for (const complaint of complaints) console.error(complaint)
  return code === 0 && complaints.length === 0
}

const databases: Record<string, () => Promise<boolean>> = {
  async pglite() {
    const folder = await mkdtemp(join(tmpdir(), 'conformance-'))
    try {
      return await conforms('PGlite, open', { DATABASE_URL: '', DATA_DIR: folder }, open)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
  async postgres() {
    const cluster = await startCluster()
    try {
      return await conforms('PostgreSQL, with authentication', { DATABASE_URL: cluster.url }, await guarded())
    } finally {
      await cluster.stop()
    }
  },
}

const interrupted = heedSignals()
install()
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(databases)
const results: boolean[] = []
for (const name of names) {
  if (interrupted.aborted) break
  const run = databases[name]
  if (run === undefined) throw new Error(`There is no ${name}: use ${Object.keys(databases).join(' or ')}.`)
  results.push(await run())
}
process.exit(!interrupted.aborted && results.every(Boolean) ? 0 : 1)
