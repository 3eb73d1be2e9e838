/** What is particular to PostgreSQL behind a network: one that is not there yet, or goes away, or will never do. */
import pg from 'pg'
import t from 'tap'
import { failMain, type Running, runMain, untilHealthy } from '../helper/process.ts'
import { client, ownDatabase, randomUser, type Service } from '../helper/service.ts'
import { freePort, serveDatabase } from '../helper/wire.ts'

const isWarning = (line: Record<string, unknown>) => line.level === 40

function behindPort(port: number, databaseUrl: string | undefined): Record<string, string> {
  const { pathname } = new URL((databaseUrl ?? 'postgresql://host/postgres').replace('@/', '@socket/'))
  return {
    DATABASE_URL: `postgresql://postgres@127.0.0.1:${port}${pathname}`,
    DATABASE_POOL_SIZE: '1',
    LOG_LEVEL: 'debug',
  }
}

t.test('a PostgreSQL that is not there is said once and waited for', async t => {
  const port = await freePort()
  const env = { DATABASE_URL: `postgresql://someone:hunter2@127.0.0.1:${port}/tasks` }
  const { origin, log, logged, end } = await runMain(t, env)
  await logged(isWarning)
  const { call } = client(t, origin)
  const { status, headers } = await call('GET', '/health')
  t.equal(status, 503)
  t.equal(headers.get('retry-after'), '1')
  t.equal((await call('GET', `/api/${randomUser()}/tasks`)).status, 503)
  t.equal((await call('GET', `/api/${randomUser()}/tasks?limit=0`)).status, 400)
  t.equal((await call('GET', '/health/live')).status, 200)

  t.match(log[0]?.msg, `tasks in PostgreSQL at 127.0.0.1:${port}/tasks`)
  t.match(log.find(isWarning), { msg: 'the database is not there yet; waiting for it', error: /ECONNREFUSED/ })
  t.notMatch(JSON.stringify(log), /hunter2|someone/)
  t.same(await end('SIGTERM'), { code: 0, signal: null }, 'waiting does not hold up the stop')
})

t.test('when it comes, the service becomes healthy by itself, and it outlives lost connections', async t => {
  const config = await ownDatabase(t)
  const port = await freePort()
  const running = await runMain(t, behindPort(port, config.databaseUrl))
  await running.logged(isWarning)
  const wire = await serveDatabase(t, port, config)
  await running.logged(line => line.msg === 'the database is there')
  t.equal(running.log.filter(isWarning).length, 1, 'the waiting was said once')
  await untilHealthy(running.origin)
  const service = client(t, running.origin)
  const user = randomUser()
  const task = await service.create(user)

  wire.cut()
  await running.logged(line => line.msg === 'a database connection was lost')
  t.same(await eventually(service, `/api/${user}/tasks/${task.id}`), task, 'the next request gets a new connection')
  await endedWell(t, running)
})

t.test('while it is away, what needs it is 503 and bad requests are still told so', async t => {
  const config = await ownDatabase(t)
  const port = await freePort()
  const wire = await serveDatabase(t, port, config)
  const running = await runMain(t, behindPort(port, config.databaseUrl))
  await untilHealthy(running.origin)
  const service = client(t, running.origin)
  const path = `/api/${randomUser()}/tasks`
  await service.call('POST', path, { title: 'Kept' })

  wire.pause()
  await running.logged(line => line.msg === 'a database connection was lost')
  for (const [method, url] of [
    ['GET', path],
    ['POST', path],
    ['GET', '/health'],
  ] as const) {
    const { status, headers } = await service.call(method, url, method === 'POST' ? { title: 'Lost' } : undefined)
    t.equal(status, 503, `${method} ${url}`)
    t.equal(headers.get('retry-after'), '1')
  }
  t.equal((await service.call('GET', `${path}?limit=0`)).status, 400)
  t.equal((await service.call('GET', '/health/live')).status, 200)

  await wire.resume()
  t.match(await eventually(service, path), { data: [{ title: 'Kept' }] })
  await endedWell(t, running)
})

t.test('a database that is there at once needs no word', async t => {
  const config = await ownDatabase(t)
  const port = await freePort()
  await serveDatabase(t, port, config)
  const running = await runMain(t, behindPort(port, config.databaseUrl))
  await untilHealthy(running.origin)
  t.same(running.log.filter(line => line.msg !== 'request').length, 1)
  await endedWell(t, running)
})

t.test('what waiting cannot mend ends in one sentence', async t => {
  const config = await ownDatabase(t)
  const port = await freePort()
  await serveDatabase(t, port, config)
  const env = behindPort(port, config.databaseUrl)
  const admin = new pg.Client({ connectionString: env.DATABASE_URL })
  await admin.connect()
  await admin.query('drop table if exists kysely_migration, task; create table task (something_else int)')
  await admin.end()
  const { code, stderr } = await failMain(env)
  t.equal(code, 1)
  t.match(stderr, /^The database cannot be used: relation "\w+" already exists\.\n$/)
})

/** The body of the first answer that is not 503. */
async function eventually({ call }: Pick<Service, 'call'>, path: string): Promise<unknown> {
  for (;;) {
    const { status, body } = await call('GET', path)
    if (status !== 503) return body
  }
}

async function endedWell(test: Pick<typeof t, 'same'>, { end }: Running): Promise<void> {
  test.same(await end('SIGTERM'), { code: 0, signal: null })
}
