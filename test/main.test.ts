/** The real process: what it prints and what it refuses. */

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import t from 'tap'
import { temporaryFolder } from '../scripts/support/folder.ts'
import { environment, runToExit, startProcess, untilHealthy } from '../scripts/support/process.ts'
import { client, onPostgres, ownDatabase, randomUser, silent } from '../scripts/support/service.ts'
import { lockFolder } from '../src/database/lock.ts'
import { openDatabase } from '../src/database/open.ts'
import { bearer, secret, startIssuer } from './support/issuer.ts'

const tokenScript = fileURLToPath(new URL('../src/commands/token.ts', import.meta.url))

/** Whether a line warns of this machine's Node, which it may or may not. */
const isAboutNode = ({ msg }: { msg?: string }) => msg?.startsWith('Node ') === true

t.test('it says where the docs are, which database it uses and where the data lie', async t => {
  const config = await ownDatabase(t)
  await using service = await startProcess(environment(config))
  const { log, logged, origin } = service
  t.same(
    log.filter(line => !isAboutNode(line)).map(({ level }) => level),
    [40, 30],
    'in one line, after one warning',
  )
  t.match(log[0]?.msg, 'no authentication: every client on 127.0.0.1 can read and write everything')
  const database = onPostgres ? 'PostgreSQL at ' : `PGlite in ${config.dataDir}`
  const { msg } = await logged(line => line.level === 30)
  t.match(msg, `listening on ${origin}, reference at ${origin}/docs, tasks in ${database}`)
  t.match(origin, /^http:\/\/127\.0\.0\.1:\d+$/)
})

t.test('one log line for each request, without bodies, queries or credentials', async t => {
  await using service = await startProcess(environment(await ownDatabase(t)))
  const { origin, logged, log } = service
  await untilHealthy(origin)
  const user = randomUser()
  const headers = { 'x-request-id': 'mine', authorization: 'Bearer secret-token' }
  await client(origin).call('POST', `/api/${user}/tasks?x=secret-query`, { title: 'secret-title' }, headers)
  t.match(await logged(line => line.request_id === 'mine'), {
    level: 30,
    msg: 'request',
    operation_id: 'createTask',
    method: 'POST',
    path: `/api/${user}/tasks`,
    status: 400,
    duration_ms: Number,
    problem: 'validation_failed',
  })
  t.notMatch(JSON.stringify(log), /secret/)
  await client(origin).call('GET', '/%')
  t.match(await logged(line => line.path === '/%'), { status: 400, msg: 'request' })
})

t.test('bad values end in one sentence each, and no stack', async t => {
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
    'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not "loud".',
  ])
})

t.test('without authentication only this machine is served, and nobody in production', async t => {
  const toSet = 'Set AUTH_ISSUER, AUTH_JWKS_URL or AUTH_SECRET'
  for (const HOST of ['0.0.0.0', '::', '192.0.2.1', 'example.org', '127.evil.example']) {
    const { code, stderr } = await runToExit({ HOST })
    t.equal(code, 1)
    t.equal(
      stderr,
      `Without authentication, HOST must be a loopback address, not "${HOST}". ${toSet}, or set HOST to 127.0.0.1.\n`,
    )
  }
  const { code, stderr } = await runToExit({ NODE_ENV: 'production' })
  t.equal(code, 1)
  t.equal(stderr, `Authentication is required in production. ${toSet}.\n`)
  await using folder = await temporaryFolder()
  await using service = await startProcess({ DATA_DIR: folder.path, HOST: 'localhost' })
  const { log } = service
  t.match(log[0]?.msg, 'no authentication')
})

t.test('limits are off or other where it is told so', async t => {
  const config = environment(await ownDatabase(t))
  const user = randomUser()
  const env = { ...config, AUTH_SECRET: secret, RATE_LIMIT: '0', ADDRESS_RATE_LIMIT: '0' }
  await using unlimited = await startProcess(env)
  await untilHealthy(unlimited.origin)
  const header = await bearer(user)
  const { headers } = await client(unlimited.origin).call('GET', `/api/${user}/tasks`, undefined, header)
  t.notOk(headers.has('ratelimit'))
  await unlimited.end('SIGTERM')

  await using service = await startProcess({ ...config, RATE_LIMIT: '7' })
  const { origin } = service
  await untilHealthy(origin)
  const limited = await client(origin).call('GET', `/api/${user}/tasks`)
  t.equal(limited.headers.get('ratelimit-policy'), '"user";q=7;w=60', 'without authentication, too')
})

t.test('with authentication any address is served, in production too', async t => {
  const config = await ownDatabase(t)
  const env = {
    ...environment(config),
    HOST: '0.0.0.0',
    NODE_ENV: 'production',
    AUTH_SECRET: secret,
    TRUST_PROXY: '127.0.0.1,::1',
    CORS_ORIGINS: 'https://app.example.org',
  }
  await using service = await startProcess(env)
  const { origin, log } = service
  t.same(
    log.filter(line => line.level === 40 && !isAboutNode(line)),
    [],
  )
  await untilHealthy(origin)
  const { call } = client(origin)
  const user = randomUser()
  const { stdout } = await promisify(execFile)(process.execPath, [tokenScript, user], {
    env: { ...process.env, ...env },
  })
  t.equal((await call('GET', `/api/${user}/tasks`)).status, 401)
  const headers = { authorization: `Bearer ${stdout.trim()}` }
  const answer = await call('GET', `/api/${user}/tasks`, undefined, headers)
  t.equal(answer.status, 200, 'with a token of `npm run token`')
  t.match(answer.headers.get('ratelimit-policy'), '"user";q=1200;w=60', 'and there is a limit, unless told otherwise')
  t.notMatch(JSON.stringify(log), /secret|eyJ/, 'neither secrets nor tokens are logged')
})

t.test('an issuer without an audience is warned of, and tokens are of the type that is set', async t => {
  const issuer = await startIssuer(t)
  await issuer.addKey('key')
  const env = { ...environment(await ownDatabase(t)), AUTH_ISSUER: issuer.url, AUTH_TOKEN_TYPE: 'at+jwt' }
  await using service = await startProcess(env)
  const { origin, log } = service
  t.match(log[0], { level: 40, msg: /^AUTH_AUDIENCE is not set: every token of the issuer is accepted/ })
  await untilHealthy(origin)
  const user = randomUser()
  const status = async (header: Record<string, string>) =>
    (await client(origin).call('GET', `/api/${user}/tasks`, undefined, header)).status
  t.equal(await status(await issuer.bearer(user, 'key')), 401, 'it might be an ID token')
  t.equal(await status(await issuer.bearer(user, 'key', {}, { typ: 'at+jwt' })), 200)
})

t.test('a token for development needs a user and a secret', async t => {
  const run = (args: string[], env: Record<string, string>) =>
    promisify(execFile)(process.execPath, [tokenScript, ...args], { env: { ...process.env, AUTH_SECRET: '', ...env } })
  const usage = /^Usage: npm run token -- <user_id> \[seconds\]/
  for (const args of [[], ['a b'], ['alice', 'soon'], ['alice', '60', 'more']]) {
    await t.rejects(run(args, { AUTH_SECRET: secret }), { code: 1, stderr: usage }, args.join(' '))
  }
  await t.rejects(run(['alice'], {}), { code: 1, stderr: "Set AUTH_SECRET to the service's secret.\n" })
  const env = { AUTH_SECRET: secret, AUTH_AUDIENCE: 'tasks', AUTH_TOKEN_TYPE: 'at+jwt' }
  const { stdout } = await run(['alice', '60'], env)
  const [header, claims] = stdout.split('.', 2).map(part => JSON.parse(Buffer.from(part, 'base64url').toString()))
  t.equal(header.typ, 'at+jwt')
  t.match(claims, { sub: 'alice', aud: 'tasks', exp: claims.iat + 60 })
})

t.test('one way of authentication at a time', async t => {
  const { code, stderr } = await runToExit({ AUTH_SECRET: secret, AUTH_ISSUER: 'https://issuer.example' })
  t.equal(code, 1)
  t.match(stderr, /^AUTH_SECRET cannot be combined with AUTH_ISSUER or AUTH_JWKS_URL\.\n$/)
})

t.test('.env is read where it exists, and the environment wins', async t => {
  await using temporary = await temporaryFolder()
  const folder = temporary.path
  await writeFile(join(folder, '.env'), `DATA_DIR=${join(folder, 'from-file')}\nLOG_LEVEL=silent\nREQUEST_TIMEOUT=\n`)
  await using service = await startProcess({ LOG_LEVEL: 'info' }, { cwd: folder })
  const { logged, end } = service
  t.match((await logged(line => line.level === 30)).msg, 'from-file')
  await end('SIGTERM')
})

t.test('a .env that cannot be read ends in one sentence', async t => {
  await using temporary = await temporaryFolder()
  const folder = temporary.path
  await mkdir(join(folder, '.env'))
  const { code, stderr } = await runToExit({}, { cwd: folder })
  t.equal(code, 1)
  t.match(stderr, /^The file \.env cannot be read: .*\.\n$/)
})

t.test('several processes on one port: each gets connections, and one may end', async t => {
  const env = async (port: string) => ({ ...environment(await ownDatabase(t)), PORT: port, REUSE_PORT: 'on' })
  await using first = await startProcess(await env('0'))
  await using second = await startProcess(await env(new URL(first.origin).port))
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

t.test('a port in use ends in one sentence', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const { code, stderr } = await runToExit({ ...environment(await ownDatabase(t)), PORT: `${port}` })
  t.equal(code, 1)
  t.equal(stderr, `Port ${port} on 127.0.0.1 is in use. Stop what uses it, or set PORT to another one.\n`)
})

t.test('an address that is not this machine’s ends in one sentence', async t => {
  const env = { ...environment(await ownDatabase(t)), AUTH_SECRET: secret }
  const { code, stderr } = await runToExit({ ...env, HOST: '192.0.2.1' })
  t.equal(code, 1)
  t.match(stderr, /^Cannot listen on 192\.0\.2\.1, port 0: .*\.\n$/)
})

t.test('a data folder that cannot be used ends in one sentence', async t => {
  await using temporary = await temporaryFolder()
  const folder = temporary.path
  await writeFile(join(folder, 'file'), '')
  const { code, stderr } = await runToExit({ DATA_DIR: join(folder, 'file') })
  t.equal(code, 1)
  t.match(stderr, /^The data folder \/.*\/file cannot be used: .*\.\n$/)
})

t.test('a data folder where none can be made ends in one sentence', async t => {
  await using temporary = await temporaryFolder()
  const folder = temporary.path
  await writeFile(join(folder, 'file'), '')
  // Of the first Node's own way to make folders would never return.
  const inProc = process.platform === 'linux' ? ['/proc/x', '/proc/x/y'] : []
  for (const DATA_DIR of [...inProc, join(folder, 'file/x/y')]) {
    const { code, stderr } = await runToExit({ DATA_DIR })
    t.equal(code, 1)
    t.match(stderr, /^The data folder \/.* cannot be used: .*\.\n$/, DATA_DIR)
  }
})

t.test('a second process on one data folder is refused and harms nothing', async t => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'data')
  await using service = await startProcess({ DATA_DIR: dataDir })
  const { origin, child: owner, end } = service
  await untilHealthy(origin)
  const { create } = client(origin)
  const user = randomUser()
  const task = await create(user)

  const { code, stderr } = await runToExit({ DATA_DIR: dataDir })
  t.equal(code, 1)
  t.match(stderr, `The data folder ${dataDir} is in use by process ${owner.pid} on `)
  t.equal(stderr.trim().split('\n').length, 1)

  const second = await create(user)
  await end('SIGKILL')
  await using successor = await startProcess({ DATA_DIR: dataDir })
  await untilHealthy(successor.origin)
  const { body } = await client(successor.origin).call('GET', `/api/${user}/tasks?sort=created_at`)
  t.same(body.data, [task, second], 'the lock of a killed process is gone, its tasks are there')
})

t.test('a data folder that is locked by nobody known is refused all the same', async t => {
  await using folder = await temporaryFolder()
  const dataDir = folder.path
  const unlock = await lockFolder(dataDir)
  t.teardown(unlock)
  for (const change of [() => writeFile(join(dataDir, 'owner'), ''), () => rm(join(dataDir, 'owner'))]) {
    await change()
    const { code, stderr } = await runToExit({ DATA_DIR: dataDir })
    t.equal(code, 1)
    t.match(stderr, `The data folder ${dataDir} is in use by another process. `)
    t.equal(stderr.trim().split('\n').length, 1)
  }
})

t.test('a database that cannot be made or read ends in one sentence', async t => {
  await using occupied = await temporaryFolder()
  await mkdir(join(occupied.path, 'pglite'))
  await writeFile(join(occupied.path, 'pglite', 'something'), '')
  const made = await runToExit({ DATA_DIR: occupied.path })
  t.equal(made.code, 1)
  t.match(made.stderr, /^The database in \/.*\/pglite cannot be opened: ENOTEMPTY.*\.\n$/)

  await using file = await temporaryFolder()
  await writeFile(join(file.path, 'pglite'), '')
  const read = await runToExit({ DATA_DIR: file.path })
  t.equal(read.code, 1)
  t.match(read.stderr, /^The data folder cannot be read: ENOTDIR.*\.\n$/)
})

t.test('a schema that is not ours ends in one sentence', async t => {
  const config = await ownDatabase(t)
  const database = await openDatabase(config, silent)
  await database.prepare(new AbortController().signal)
  await sql`drop table kysely_migration`.execute(database.kysely)
  await database.close()
  const { code, stderr } = await runToExit(environment(config))
  t.equal(code, 1)
  t.match(stderr, /^The database cannot be used: relation "\w+" already exists\.\n$/)
})

t.test('a database of another major version is explained', async t => {
  await using folder = await temporaryFolder()
  const dataDir = folder.path
  await mkdir(join(dataDir, 'pglite'))
  await writeFile(join(dataDir, 'pglite', 'PG_VERSION'), '16\n')
  const { code, stderr } = await runToExit({ DATA_DIR: dataDir })
  t.equal(code, 1)
  t.match(stderr, /was created by PostgreSQL 16, but this PGlite opens only version 18/)
  t.equal(await readFile(join(dataDir, 'pglite', 'PG_VERSION'), 'utf8'), '16\n', 'and left alone')
})
