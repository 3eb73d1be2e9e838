/** The real process: what it logs and prints, and how it refuses to start. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import t from 'tap'
import { invalid } from '../scripts/support/client.ts'
import { temporaryFolder } from '../scripts/support/folder.ts'
import { environment, runToExit, startProcess, untilHealthy } from '../scripts/support/process.ts'
import { client, onPostgres, ownDatabase } from '../scripts/support/service.ts'
import type { DatabaseConfig } from '../src/database/open.ts'
import { openPrepared } from './support/database.ts'
import { secret } from './support/issuer.ts'
import { occupyPort } from './support/ports.ts'

/** Whether the line is a warning about this machine's version of Node, which may or may not appear. */
const isAboutNode = ({ msg }: { msg?: string }) => msg?.startsWith('Node ') === true

t.test('at its start the service logs its address, its reference and its database', async t => {
  await using config = await ownDatabase()
  await using service = await startProcess(environment(config))
  const { log, logged, origin } = service
  t.same(
    log.filter(line => !isAboutNode(line)).map(({ level }) => level),
    [40, 30],
    'one warning, then one line',
  )
  t.match(log[0]?.msg, 'no authentication: every client on 127.0.0.1 can read and write everything')
  const database = onPostgres ? 'PostgreSQL at ' : `PGlite in ${config.dataDir}`
  const { msg } = await logged(line => line.level === 30)
  t.match(msg, `listening on ${origin}, reference at ${origin}/docs, tasks in ${database}`)
  t.match(origin, /^http:\/\/127\.0\.0\.1:\d+$/)
})

t.test('each request logs one line, without bodies, queries or credentials', async t => {
  await using config = await ownDatabase()
  await using service = await startProcess(environment(config))
  const { origin, logged, log } = service
  await untilHealthy(origin)
  const alice = await client(origin).newUser()
  const header = { 'X-Request-Id': 'mine', authorization: 'Bearer secret-token' }
  await alice.send.createTask({ title: 'secret-title' }, { header, query: invalid({ x: 'secret-query' }) })
  t.match(await logged(line => line.request_id === 'mine'), {
    level: 30,
    msg: 'request',
    operation_id: 'createTask',
    method: 'POST',
    path: alice.path('createTask'),
    status: 400,
    duration_ms: Number,
    problem: 'validation_failed',
  })
  t.notMatch(JSON.stringify(log), /secret/)
  await client(origin).call('GET', '/%')
  t.match(await logged(line => line.path === '/%'), { status: 400, msg: 'request' })
})

t.test('each invalid variable prints one sentence and no stack', async t => {
  const { code, stderr, stdout } = await runToExit({
    PORT: '70000',
    LOG_LEVEL: 'loud',
    DATABASE_URL: 'mysql://root:hunter2@localhost/x',
    AUTH_SECRET: 'hunter2',
    AUTH_ISSUER: 'http://issuer.example',
    AUTH_JWKS_URL: 'nowhere',
    RATE_LIMIT: 'none',
    TRUST_PROXY: '10.0.0.0/8,everybody',
    CORS_ORIGINS: 'https://app.example.org/,*',
    PUBLIC_URL: 'https://tasks.example.org/api',
    SECURITY_CONTACT: 'security@example.org',
  })
  t.equal(code, 1)
  t.equal(stdout, '')
  t.same(stderr.trim().split('\n'), [
    'PORT must be a whole number from 0 to 65535, not "70000".',
    'DATABASE_URL must be a URL such as postgresql://user:password@host:5432/database.',
    'AUTH_ISSUER must be an https:// URL, or an http:// URL of a loopback host, not "http://issuer.example".',
    'AUTH_JWKS_URL must be an https:// URL, or an http:// URL of a loopback host, not "nowhere".',
    'AUTH_SECRET must have at least 32 bytes.',
    'RATE_LIMIT must be a whole number from 0 to 1000000, not "none".',
    'TRUST_PROXY must be addresses or networks such as 10.0.0.0/8, separated by commas, not "10.0.0.0/8,everybody".',
    'CORS_ORIGINS must be origins such as https://app.example.org, separated by commas, not "https://app.example.org/,*".',
    'PUBLIC_URL must be an origin such as https://tasks.example.org, or http:// and a loopback host, not "https://tasks.example.org/api".',
    'SECURITY_CONTACT must be a URI such as mailto:security@example.org or https://example.org/security, not "security@example.org".',
    'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not "loud".',
  ])
})

t.test('.env is read if it exists, and the environment takes precedence', async t => {
  await using temporary = await temporaryFolder()
  const folder = temporary.path
  await writeFile(join(folder, '.env'), `DATA_DIR=${join(folder, 'from-file')}\nLOG_LEVEL=silent\nREQUEST_TIMEOUT=\n`)
  await using service = await startProcess({ LOG_LEVEL: 'info' }, { cwd: folder })
  const { logged, end } = service
  t.match((await logged(line => line.level === 30)).msg, 'from-file')
  await end('SIGTERM')
})

t.test('a .env that cannot be read ends the start with one sentence', async t => {
  await using temporary = await temporaryFolder()
  const folder = temporary.path
  await mkdir(join(folder, '.env'))
  const { code, stderr } = await runToExit({}, { cwd: folder })
  t.equal(code, 1)
  t.match(stderr, /^The file \.env cannot be read: .*\.\n$/)
})

t.test('processes with REUSE_PORT share a port, and one may end', async t => {
  await using config = await ownDatabase()
  await using other = await ownDatabase()
  await using first = await startProcess({ ...environment(config), PORT: '0', REUSE_PORT: 'on' })
  const { port } = new URL(first.origin)
  await using second = await startProcess({ ...environment(other), PORT: port, REUSE_PORT: 'on' })
  t.equal(second.origin, first.origin)
  const ask = async () => {
    const { status } = await fetch(`${first.origin}/health/live`, { headers: { connection: 'close' } })
    t.equal(status, 200)
  }
  const isAsked = ({ log }: typeof first) => log.some(({ operation_id }) => operation_id === 'getLiveness')
  while (!isAsked(first) || !isAsked(second)) await ask()
  await first.end('SIGTERM')
  for (let count = 0; count < 10; count++) await ask()
})

t.test('a port in use ends the start with one sentence', async t => {
  await using occupied = await occupyPort()
  const { port } = occupied
  await using config = await ownDatabase()
  const { code, stderr } = await runToExit({ ...environment(config), PORT: `${port}` })
  t.equal(code, 1)
  t.equal(stderr, `Port ${port} on 127.0.0.1 is in use. Stop what uses it, or set PORT to another one.\n`)
})

t.test('an address of another machine ends the start with one sentence', async t => {
  await using config = await ownDatabase()
  const env = { ...environment(config), AUTH_SECRET: secret }
  const { code, stderr } = await runToExit({ ...env, HOST: '192.0.2.1' })
  t.equal(code, 1)
  t.match(stderr, /^Cannot listen on 192\.0\.2\.1, port 0: .*\.\n$/)
})

t.test('a database with other tables ends the start with one sentence', async t => {
  await using config = await ownDatabase()
  await forgetMigrations(config)
  const { code, stderr } = await runToExit(environment(config))
  t.equal(code, 1)
  t.match(stderr, /^The database cannot be used: relation "\w+" already exists\.\n$/)
})

/** Leaves the service's tables without the record of migrations. */
async function forgetMigrations(config: DatabaseConfig): Promise<void> {
  await using database = await openPrepared(config)
  await sql`drop table kysely_migration`.execute(database.kysely)
}
