/** How the real process stops: on signals, within its deadline, and after uncaught errors. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { temporaryFolder } from '../scripts/support/folder.ts'
import { startLoadBalancer } from '../scripts/support/load-balancer.ts'
import { environment, launch, startProcess, untilHealthy } from '../scripts/support/process.ts'
import { client, onPostgres, ownDatabase } from '../scripts/support/service.ts'
import { openConnection } from '../scripts/support/socket.ts'
import { lockFolder } from '../src/database/lock.ts'

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} finishes requests in flight and ends with 0`, async t => {
    await using config = await ownDatabase()
    await using service = await startProcess(environment(config))
    const { origin, child, exited, logged } = service
    await untilHealthy(origin)
    await openConnection(Number(new URL(origin).port))
    const { socket, rest } = await sendHalf(origin)

    child.kill(signal)
    await logged(line => line.msg.startsWith(signal))
    socket.write(rest)
    const answer = (await once(socket, 'data')).toString()
    t.match(answer, /^HTTP\/1\.1 201 /)
    t.match(answer, /connection: close/i)
    t.same(await exited, { code: 0, signal: null })
  })
}

t.test('behind a load balancer a stop under load fails no request', async t => {
  await using config = await ownDatabase()
  // On PGlite each process needs a database of its own; only the statuses of the responses matter here.
  await using other = await ownDatabase()
  await using leaving = await startProcess({ ...environment(config), DRAIN_DELAY: '1' })
  await using staying = await startProcess({ ...environment(onPostgres ? config : other), DRAIN_DELAY: '1' })
  await Promise.all([untilHealthy(leaving.origin), untilHealthy(staying.origin)])
  await using balancer = await startLoadBalancer([leaving.origin, staying.origin])
  const alice = await client(balancer.origin).newUser()

  let stopped = false
  const statuses: number[] = []
  const load = async () => {
    while (!stopped) statuses.push((await alice.send.createTask({ title: 'T' })).status)
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
  t.test(`the service stops when npm’s shell, which does not forward signals, is gone: ${when}`, async t => {
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

t.test('a signal while the database is created ends with 0 and leaves a usable data folder', async t => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'data')
  await using first = launch({ DATA_DIR: dataDir }, { stdout: 'ignore' })
  await exists(join(dataDir, 'owner'))
  t.same(await first.end('SIGTERM'), { code: 0, signal: null })
  await using service = await startProcess({ DATA_DIR: dataDir })
  const { origin } = service
  await untilHealthy(origin)
})

t.test('a half-sent request does not delay the stop past SHUTDOWN_TIMEOUT', async t => {
  await using config = await ownDatabase()
  const env = { ...environment(config), SHUTDOWN_TIMEOUT: '1' }
  await using service = await startProcess(env)
  const { origin, end } = service
  await sendHalf(origin)
  t.same(await end('SIGTERM'), { code: 0, signal: null })
})

t.test('a second signal stops at once', async t => {
  await using config = await ownDatabase()
  const env = { ...environment(config), SHUTDOWN_TIMEOUT: '3600' }
  await using service = await startProcess(env)
  const { origin, child, logged, end } = service
  await sendHalf(origin)
  child.kill('SIGTERM')
  await logged(line => line.msg.startsWith('SIGTERM'))
  t.same(await end('SIGTERM'), { code: 0, signal: null })
})

/** Node options that load modules before the service, added to the inherited ones. */
const withModules = (...files: string[]) => {
  const imports = files.map(file => `--import=${new URL(file, import.meta.url)}`)
  return { NODE_OPTIONS: [process.env.NODE_OPTIONS, ...imports].join(' ') }
}

const misbehaving = './support/misbehave.mjs'

t.test('a signal while modules are loaded ends with 0 before anything is opened', async t => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'data')
  const modules = withModules('../src/process/compile-cache.mjs', misbehaving)
  const env = { DATA_DIR: dataDir, ...modules, MISBEHAVE: 'stop while loading' }
  await using launched = launch(env, { stdout: 'ignore' })
  t.same(await launched.exited, { code: 0, signal: null })
  t.notOk(existsSync(dataDir))
})

for (const MISBEHAVE of ['throw', 'reject']) {
  t.test(`an uncaught error is logged once, and the service stops gracefully with 1: ${MISBEHAVE}`, async t => {
    await using config = await ownDatabase()
    const env = { ...environment(config), ...withModules(misbehaving), MISBEHAVE }
    await using service = await startProcess(env)
    const { origin, child, exited, logged, log } = service
    await untilHealthy(origin)
    const { socket, rest } = await sendHalf(origin)

    child.kill('SIGUSR2')
    const { err } = await logged(line => line.level === 60)
    t.match(err, { message: 'on purpose', stack: /misbehave\.mjs/ })
    child.kill('SIGUSR2')
    while (log.filter(({ level }) => level === 60).length < 2) await sleep(5)
    socket.write(rest)
    t.match(
      (await once(socket, 'data')).toString(),
      /^HTTP\/1\.1 201 /,
      'the request in flight is finished, although a second error follows',
    )
    t.same(await exited, { code: 1, signal: null })
  })
}

t.test('after an uncaught error the stop keeps its deadline', async t => {
  await using config = await ownDatabase()
  const env = { ...environment(config), ...withModules(misbehaving), SHUTDOWN_TIMEOUT: '0' }
  await using service = await startProcess({ ...env, MISBEHAVE: 'throw' })
  const { origin, end } = service
  await sendHalf(origin)
  t.same(await end('SIGUSR2'), { code: 1, signal: null })
})

/** Sends a request without the end of its body, which is returned. */
async function sendHalf(origin: string): Promise<{ socket: Socket; rest: string }> {
  const { path } = await client(origin).newUser()
  const json = '{"title":"In flight"}'
  const socket = await openConnection(Number(new URL(origin).port))
  const head = `POST ${path('createTask')} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
  socket.write(`${head}Expect: 100-continue\r\nContent-Length: ${json.length}\r\n\r\n${json.slice(0, 5)}`)
  // `100 Continue`: the server has read the beginning.
  await once(socket, 'data')
  return { socket, rest: json.slice(5) }
}

/** Waits until the file exists. */
async function exists(file: string): Promise<void> {
  while (!existsSync(file)) await sleep(5)
}
