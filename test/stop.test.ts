/** How the real process stops: whatever it is doing, within its time, with 0. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { temporaryFolder } from '../scripts/support/folder.ts'
import { startLoadBalancer } from '../scripts/support/load-balancer.ts'
import { environment, launch, startProcess, untilHealthy } from '../scripts/support/process.ts'
import { onPostgres, ownDatabase, randomUser } from '../scripts/support/service.ts'
import { lockFolder } from '../src/database/lock.ts'

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} finishes what is in flight and ends with 0`, async t => {
    await using service = await startProcess(environment(await ownDatabase(t)))
    const { origin, child, exited, logged } = service
    await untilHealthy(origin)
    const path = `/api/${randomUser()}/tasks`
    const json = '{"title":"In flight"}'
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    const idle = connect(Number(new URL(origin).port), '127.0.0.1')
    await Promise.all([once(socket, 'connect'), once(idle, 'connect')])
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json.slice(0, 5)}`,
    )
    // Once another request is answered, the server has read the beginning of this one.
    await fetch(`${origin}/health/live`)

    child.kill(signal)
    await logged(line => line.msg.startsWith(signal))
    socket.write(json.slice(5))
    const answer = (await once(socket, 'data')).toString()
    t.match(answer, /^HTTP\/1\.1 201 /)
    t.match(answer, /connection: close/i)
    t.same(await exited, { code: 0, signal: null })
  })
}

t.test('behind a load balancer, a stop under load fails no request', async t => {
  const env = { ...environment(await ownDatabase(t)), DRAIN_DELAY: '1' }
  // On PGlite each process needs a database of its own: what is looked at is whether requests are answered.
  const other = onPostgres ? env : { ...environment(await ownDatabase(t)), DRAIN_DELAY: '1' }
  await using leaving = await startProcess(env)
  await using staying = await startProcess(other)
  await Promise.all([untilHealthy(leaving.origin), untilHealthy(staying.origin)])
  await using balancer = await startLoadBalancer([leaving.origin, staying.origin])
  const path = `${balancer.origin}/api/${randomUser()}/tasks`

  let stopped = false
  const statuses: number[] = []
  const load = async () => {
    while (!stopped) {
      const created = await fetch(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"title":"T"}',
      })
      await created.arrayBuffer()
      statuses.push(created.status)
    }
  }
  const loads = Array.from({ length: 6 }, load)
  await leaving.logged(line => line.status === 201)
  t.same(await leaving.end('SIGTERM'), { code: 0, signal: null })
  stopped = true
  await Promise.all(loads)
  t.ok(statuses.length > 0)
  t.same(
    statuses.filter(status => status !== 201),
    [],
  )
})

for (const [when, until] of [
  ['once it listens', (folder: string) => exists(join(folder, 'pglite/PG_VERSION'))],
  ['while it starts', (folder: string) => exists(join(folder, 'owner'))],
] as const) {
  t.test(`npm’s shell does not hand signals on: when it is gone, the service stops, ${when}`, async t => {
    await using temporary = await temporaryFolder()
    const folder = temporary.path
    const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
    const shell = spawn('sh', ['-c', `"${process.execPath}" "${main}"; exit`], {
      env: { ...process.env, DATA_DIR: folder, DATABASE_URL: '', PORT: '0', npm_lifecycle_event: 'start' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const output = text(shell.stdout)
    await until(folder)
    shell.kill('SIGTERM')
    t.match(await output, 'SIGTERM received: finishing requests in flight')
    const unlock = await lockFolder(folder)
    unlock()
  })
}

t.test('a signal while the database is being made ends with 0, too, and leaves a folder that works', async t => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'data')
  await using first = launch({ DATA_DIR: dataDir }, { stdout: 'ignore' })
  await exists(join(dataDir, 'owner'))
  t.same(await first.end('SIGTERM'), { code: 0, signal: null })
  await using service = await startProcess({ DATA_DIR: dataDir })
  const { origin } = service
  await untilHealthy(origin)
})

t.test('a half-sent request does not hold the stop past its deadline', async t => {
  const env = { ...environment(await ownDatabase(t)), SHUTDOWN_TIMEOUT: '1' }
  await using service = await startProcess(env)
  const { origin, end } = service
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(
    'POST /api/a/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
  )
  await fetch(`${origin}/health/live`)
  t.same(await end('SIGTERM'), { code: 0, signal: null })
})

t.test('a second signal does not wait', async t => {
  const env = { ...environment(await ownDatabase(t)), SHUTDOWN_TIMEOUT: '3600' }
  await using service = await startProcess(env)
  const { origin, child, logged, end } = service
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(
    'POST /api/a/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
  )
  await fetch(`${origin}/health/live`)
  child.kill('SIGTERM')
  await logged(line => line.msg.startsWith('SIGTERM'))
  t.same(await end('SIGTERM'), { code: 0, signal: null })
})

/** The options with which Node loads modules before the service, beside those that there are. */
const withModules = (...files: string[]) => {
  const imports = files.map(file => `--import=${new URL(file, import.meta.url)}`)
  return { NODE_OPTIONS: [process.env.NODE_OPTIONS, ...imports].join(' ') }
}

const misbehaving = './support/misbehave.mjs'

t.test('a signal while modules are loaded ends with 0, before anything is opened', async t => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'data')
  const modules = withModules('../src/process/compile-cache.mjs', misbehaving)
  const env = { DATA_DIR: dataDir, ...modules, MISBEHAVE: 'stop while loading' }
  await using launched = launch(env, { stdout: 'ignore' })
  t.same(await launched.exited, { code: 0, signal: null })
  t.notOk(existsSync(dataDir))
})

for (const MISBEHAVE of ['throw', 'reject']) {
  t.test(`an error that nobody catches is one line of the log and an orderly stop: ${MISBEHAVE}`, async t => {
    const env = { ...environment(await ownDatabase(t)), ...withModules(misbehaving), MISBEHAVE }
    await using service = await startProcess(env)
    const { origin, child, exited, logged, log } = service
    await untilHealthy(origin)
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    await once(socket, 'connect')
    const head = `POST /api/${randomUser()}/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
    socket.write(`${head}Content-Length: 13\r\n\r\n{"tit`)
    await fetch(`${origin}/health/live`)

    child.kill('SIGUSR2')
    const { err } = await logged(line => line.level === 60)
    t.match(err, { message: 'on purpose', stack: /misbehave\.mjs/ })
    child.kill('SIGUSR2')
    while (log.filter(({ level }) => level === 60).length < 2) await sleep(5)
    socket.write('le":"T"}')
    t.match(
      (await once(socket, 'data')).toString(),
      /^HTTP\/1\.1 201 /,
      'what is in flight is finished, whatever else fails',
    )
    t.same(await exited, { code: 1, signal: null })
  })
}

t.test('after an error that nobody catches the stop has its deadline', async t => {
  const env = { ...environment(await ownDatabase(t)), ...withModules(misbehaving), SHUTDOWN_TIMEOUT: '0' }
  await using service = await startProcess({ ...env, MISBEHAVE: 'throw' })
  const { origin, end } = service
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(
    'POST /api/a/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
  )
  await fetch(`${origin}/health/live`)
  t.same(await end('SIGUSR2'), { code: 1, signal: null })
})

/** Waits until there is such a file. */
async function exists(file: string): Promise<void> {
  while (!existsSync(file)) await sleep(5)
}
