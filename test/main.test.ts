/** The real process: what it prints, what it refuses, how it stops. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openDatabase } from '../src/database/open.ts'
import { environment, failMain, runMain, untilHealthy } from './helper/process.ts'
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

t.test('npm’s shell does not hand signals on: when it is gone, the service stops', async t => {
  const folder = await temporaryFolder(t)
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const shell = spawn('sh', ['-c', `"${process.execPath}" "${main}"; exit`], {
    env: { ...process.env, DATA_DIR: folder, DATABASE_URL: '', PORT: '0', npm_lifecycle_event: 'start' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface(shell.stdout)
  const [first] = await once(lines, 'line')
  t.match(first, 'listening on')
  const stopped = once(lines, 'line')
  const closed = once(lines, 'close')
  shell.kill('SIGTERM')
  t.match((await stopped)[0], 'SIGTERM: finishing what is in flight')
  await closed
  await (await openDatabase({ databaseUrl: undefined, dataDir: folder, poolSize: 1 }, silent)).close()
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
