/** The real process: what it prints, what it refuses, how it stops. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import t from 'tap'
import { lockFolder } from '../src/database/lock.ts'
import { openDatabase } from '../src/database/open.ts'
import { environment, failMain, runMain, startMain, untilHealthy } from './helper/process.ts'
import { client, onPostgres, ownDatabase, randomUser, silent, temporaryFolder } from './helper/service.ts'

t.test('it says where the docs are, which database it uses and where the data lie', async t => {
  const config = await ownDatabase(t)
  const { log, origin } = await runMain(t, environment(config))
  t.equal(log.length, 1, 'in one line')
  const database = onPostgres ? 'PostgreSQL at ' : `PGlite in ${config.dataDir}`
  t.match(log[0]?.msg, `listening on ${origin}, reference at ${origin}/docs, tasks in ${database}`)
  t.match(origin, /^http:\/\/127\.0\.0\.1:\d+$/)
})

t.test('one log line for each request, without bodies, queries or credentials', async t => {
  const { origin, logged, log } = await runMain(t, environment(await ownDatabase(t)))
  await untilHealthy(origin)
  const user = randomUser()
  const headers = { 'x-request-id': 'mine', authorization: 'Bearer secret-token' }
  await client(t, origin).call('POST', `/api/${user}/tasks?x=secret-query`, { title: 'secret-title' }, headers)
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
  await client(t, origin).call('GET', '/%')
  t.match(await logged(line => line.path === '/%'), { status: 400, msg: 'request' })
})

t.test('bad values end in one sentence each, and no stack', async t => {
  const { code, stderr, stdout } = await failMain({
    PORT: '70000',
    LOG_LEVEL: 'loud',
    DATABASE_URL: 'mysql://root:hunter2@localhost/x',
  })
  t.equal(code, 1)
  t.equal(stdout, '')
  t.same(stderr.trim().split('\n'), [
    'PORT must be a whole number from 0 to 65535 and not "70000".',
    'DATABASE_URL must be a URL such as postgresql://user:password@host:5432/database.',
    'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent and not "loud".',
  ])
})

t.test('.env is read where it exists, and the environment wins', async t => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, '.env'), `DATA_DIR=${join(folder, 'from-file')}\nLOG_LEVEL=silent\nREQUEST_TIMEOUT=\n`)
  const { log, end } = await runMain(t, { LOG_LEVEL: 'info' }, folder)
  t.match(log[0]?.msg, 'from-file')
  await end('SIGTERM')
})

t.test('a .env that cannot be read ends in one sentence', async t => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, '.env'))
  const { code, stderr } = await failMain({}, folder)
  t.equal(code, 1)
  t.match(stderr, /^The file \.env cannot be read: .*\.\n$/)
})

t.test('a port in use ends in one sentence', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const { code, stderr } = await failMain({ ...environment(await ownDatabase(t)), PORT: `${port}` })
  t.equal(code, 1)
  t.equal(stderr, `Port ${port} on 127.0.0.1 is in use. Stop what uses it, or set PORT to another one.\n`)
})

t.test('an address that is not this machine’s ends in one sentence', async t => {
  const { code, stderr } = await failMain({ ...environment(await ownDatabase(t)), HOST: '192.0.2.1' })
  t.equal(code, 1)
  t.match(stderr, /^Cannot listen on 192\.0\.2\.1, port 0: .*\.\n$/)
})

t.test('a data folder that cannot be used ends in one sentence', async t => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'file'), '')
  const { code, stderr } = await failMain({ DATA_DIR: join(folder, 'file') })
  t.equal(code, 1)
  t.match(stderr, /^The data folder \/.*\/file cannot be used: .*\.\n$/)
})

t.test('a second process on one data folder is refused and harms nothing', async t => {
  const dataDir = join(await temporaryFolder(t), 'data')
  const { origin, process: owner, end } = await runMain(t, { DATA_DIR: dataDir })
  await untilHealthy(origin)
  const { create } = client(t, origin)
  const user = randomUser()
  const task = await create(user)

  const { code, stderr } = await failMain({ DATA_DIR: dataDir })
  t.equal(code, 1)
  t.match(stderr, `The data folder ${dataDir} is in use by process ${owner.pid} on `)
  t.equal(stderr.trim().split('\n').length, 1)

  const second = await create(user)
  await end('SIGKILL')
  const successor = await runMain(t, { DATA_DIR: dataDir })
  await untilHealthy(successor.origin)
  const { body } = await client(t, successor.origin).call('GET', `/api/${user}/tasks?sort=created_at`)
  t.same(body.data, [task, second], 'the lock of a killed process is gone, its tasks are there')
})

t.test('a data folder that is locked by nobody known is refused all the same', async t => {
  const dataDir = await temporaryFolder(t)
  const unlock = await lockFolder(dataDir)
  t.teardown(unlock)
  for (const change of [() => writeFile(join(dataDir, 'owner'), ''), () => rm(join(dataDir, 'owner'))]) {
    await change()
    const { code, stderr } = await failMain({ DATA_DIR: dataDir })
    t.equal(code, 1)
    t.match(stderr, `The data folder ${dataDir} is in use by another process. `)
    t.equal(stderr.trim().split('\n').length, 1)
  }
})

t.test('a database that cannot be made or read ends in one sentence', async t => {
  const occupied = await temporaryFolder(t)
  await mkdir(join(occupied, 'pglite'))
  await writeFile(join(occupied, 'pglite', 'something'), '')
  const made = await failMain({ DATA_DIR: occupied })
  t.equal(made.code, 1)
  t.match(made.stderr, /^The database in \/.*\/pglite cannot be opened: ENOTEMPTY.*\.\n$/)

  const file = await temporaryFolder(t)
  await writeFile(join(file, 'pglite'), '')
  const read = await failMain({ DATA_DIR: file })
  t.equal(read.code, 1)
  t.match(read.stderr, /^The data folder cannot be read: ENOTDIR.*\.\n$/)
})

t.test('a schema that is not ours ends in one sentence', async t => {
  const config = await ownDatabase(t)
  const database = await openDatabase(config, silent)
  await database.prepare(new AbortController().signal)
  await sql`drop table kysely_migration`.execute(database.kysely)
  await database.close()
  const { code, stderr } = await failMain(environment(config))
  t.equal(code, 1)
  t.match(stderr, /^The database cannot be used: relation "\w+" already exists\.\n$/)
})

t.test('a database of another major version is explained', async t => {
  const dataDir = await temporaryFolder(t)
  await mkdir(join(dataDir, 'pglite'))
  await writeFile(join(dataDir, 'pglite', 'PG_VERSION'), '16\n')
  const { code, stderr } = await failMain({ DATA_DIR: dataDir })
  t.equal(code, 1)
  t.match(stderr, /was made by PostgreSQL 16, and this PGlite opens only those of 18/)
  t.equal(await readFile(join(dataDir, 'pglite', 'PG_VERSION'), 'utf8'), '16\n', 'and left alone')
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} finishes what is in flight and ends with 0`, async t => {
    const { origin, process: child, logged } = await runMain(t, environment(await ownDatabase(t)))
    await untilHealthy(origin)
    const path = `/api/${randomUser()}/tasks`
    const json = '{"title":"In flight"}'
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    const idle = connect(Number(new URL(origin).port), '127.0.0.1')
    await Promise.all([once(socket, 'connect'), once(idle, 'connect')])
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json.slice(0, 5)}`,
    )
    // Once another request is answered, the server has read the beginning of this one.
    await fetch(`${origin}/health/live`)

    const exited = once(child, 'exit')
    child.kill(signal)
    await logged(line => line.msg.startsWith(signal))
    socket.write(json.slice(5))
    const answer = (await once(socket, 'data')).toString()
    t.match(answer, /^HTTP\/1\.1 201 /)
    t.match(answer, /connection: close/i)
    t.same(await exited, [0, null])
  })
}

for (const [when, until] of [
  ['once it listens', (folder: string) => exists(join(folder, 'pglite/PG_VERSION'))],
  ['while it starts', (folder: string) => exists(join(folder, 'owner'))],
] as const) {
  t.test(`npm’s shell does not hand signals on: when it is gone, the service stops, ${when}`, async t => {
    const folder = await temporaryFolder(t)
    const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
    const shell = spawn('sh', ['-c', `"${process.execPath}" "${main}"; exit`], {
      env: { ...process.env, DATA_DIR: folder, DATABASE_URL: '', PORT: '0', npm_lifecycle_event: 'start' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const output = text(shell.stdout)
    await until(folder)
    shell.kill('SIGTERM')
    t.match(await output, 'SIGTERM: finishing what is in flight')
    const unlock = await lockFolder(folder)
    unlock()
  })
}

t.test('a signal while the database is being made ends with 0, too, and leaves a folder that works', async t => {
  const dataDir = join(await temporaryFolder(t), 'data')
  const { child, exited } = startMain({ DATA_DIR: dataDir })
  await exists(join(dataDir, 'owner'))
  child.kill('SIGTERM')
  t.same(await exited, [0, null])
  const { origin } = await runMain(t, { DATA_DIR: dataDir })
  await untilHealthy(origin)
})

t.test('a half-sent request does not hold the stop past its deadline', async t => {
  const env = { ...environment(await ownDatabase(t)), SHUTDOWN_TIMEOUT: '1' }
  const { origin, end } = await runMain(t, env)
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write('POST /api/a/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{')
  await fetch(`${origin}/health/live`)
  t.same(await end('SIGTERM'), { code: 0, signal: null })
})

t.test('a second signal does not wait', async t => {
  const env = { ...environment(await ownDatabase(t)), SHUTDOWN_TIMEOUT: '3600' }
  const { origin, process: child, logged, end } = await runMain(t, env)
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write('POST /api/a/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{')
  await fetch(`${origin}/health/live`)
  child.kill('SIGTERM')
  await logged(line => line.msg.startsWith('SIGTERM'))
  t.same(await end('SIGTERM'), { code: 0, signal: null })
})

/** Waits until there is such a file. */
async function exists(file: string): Promise<void> {
  while (!existsSync(file)) await sleep(5)
}
