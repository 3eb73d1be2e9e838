/** The service waits for a PostgreSQL that is unavailable, at the start and later, and reports what it cannot use. */
import { sql } from 'kysely'
import t from 'tap'
import { runToExit, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client } from '../../scripts/support/service.ts'
import { createProxy, isWaiting, openProxied, startBehind, startProxied } from '../support/proxied.ts'

t.test('while PostgreSQL is unavailable at the start, the service logs it once and returns 503', async t => {
  await using proxy = await createProxy()
  const { url } = proxy
  await using service = await startProcess({ DATABASE_URL: url.replace('postgres@', 'someone:hunter2@') })
  const { origin, log, logged, end } = service
  await logged(isWaiting)
  const alice = await client(origin).newUser()
  const { status, headers } = await alice.send.getHealth()
  t.equal(status, 503)
  t.equal(headers.get('retry-after'), '1')
  t.equal((await alice.send.listTasks()).status, 503)
  t.equal((await alice.send.listTasks({ query: { limit: 0 } })).status, 400)
  t.equal((await alice.send.getLiveness()).status, 200)

  const { pathname, searchParams } = new URL(url.replace('@/', '@socket/'))
  t.match(
    log.find(({ msg }) => msg.startsWith('listening'))?.msg,
    `tasks in PostgreSQL at ${searchParams.get('host')}:5432${pathname}`,
  )
  t.match(log.find(isWaiting), { level: 40, error: /ENOENT/ })
  t.notMatch(JSON.stringify(log), /hunter2|someone/)
  t.same(await end('SIGTERM'), { code: 0, signal: null }, 'waiting does not delay the stop')
})

t.test('the service becomes healthy once PostgreSQL is available, and survives lost connections', async t => {
  await using proxy = await createProxy()
  await using running = await startBehind(proxy)
  await running.logged(isWaiting)
  await proxy.listen()
  await running.logged(line => line.msg === 'the database is available')
  t.equal(running.log.filter(isWaiting).length, 1, 'the waiting was logged once')
  await untilHealthy(running.origin)
  const alice = await client(running.origin).newUser()
  const task = await alice.createTask({ title: 'A task' })

  proxy.cut()
  await running.logged(line => line.msg === 'a database connection was lost')
  let answer = await alice.send.getTask(task.id)
  while (answer.status === 503) answer = await alice.send.getTask(task.id)
  t.same(answer.body, task, 'the next request gets a new connection')
  t.same(await running.end('SIGTERM'), { code: 0, signal: null })
})

t.test('a PostgreSQL that is available at once is not logged', async t => {
  await using proxied = await startProxied()
  const { running } = proxied
  t.notOk(running.log.some(isWaiting))
  t.same(await running.end('SIGTERM'), { code: 0, signal: null })
})

t.test('while PostgreSQL is unavailable, what needs it returns 503 and bad requests still return 400', async t => {
  await using proxied = await startProxied()
  const { proxy, running, newUser } = proxied
  const alice = await newUser()
  await alice.createTask({ title: 'Kept' })

  proxy.close()
  await running.logged(line => line.msg === 'a database connection was lost')
  for (const [operation, send] of [
    ['listTasks', () => alice.send.listTasks()],
    ['createTask', () => alice.send.createTask({ title: 'Lost' })],
  ] as const) {
    const { status, headers } = await send()
    t.equal(status, 503, operation)
    t.equal(headers.get('retry-after'), '1')
  }
  // The outcome of a health check is reused for a moment.
  while ((await alice.send.getHealth()).status !== 503);
  t.equal((await alice.send.listTasks({ query: { limit: 0 } })).status, 400)
  t.equal((await alice.send.getLiveness()).status, 200)

  await proxy.listen()
  let answer = await alice.send.listTasks()
  while (answer.status === 503) answer = await alice.send.listTasks()
  t.match(answer.body, { data: [{ title: 'Kept' }] })
  t.same(await running.end('SIGTERM'), { code: 0, signal: null })
})

t.test('a connection string that cannot be used ends the start with one sentence', async t => {
  for (const [url, reason] of [
    ['postgresql://postgres:%E0@localhost/tasks', 'URI malformed'],
    ['postgresql://localhost/tasks?port=abc', 'its port must be a number from 1 to 65535'],
    ['postgresql://localhost/tasks?port=99999', 'its port must be a number from 1 to 65535'],
    ['postgresql://localhost/tasks?sslrootcert=/nowhere/ca.pem', 'ENOENT.*/nowhere/ca.pem.*'],
  ]) {
    const { code, stderr } = await runToExit({ DATABASE_URL: url as string })
    t.equal(code, 1)
    t.match(stderr, new RegExp(`^DATABASE_URL cannot be used: ${reason}\\.\n$`))
  }
})

t.test('numAffectedRows is the number of rows that a statement returned or wrote', async t => {
  await using opened = await openProxied()
  const { db } = opened
  t.equal((await sql`select from generate_series(1, 3)`.execute(db)).numAffectedRows, 3n)
  t.equal((await sql`set timezone to 'UTC'`.execute(db)).numAffectedRows, 0n, '0 for a statement without rows')
})

t.test('streaming a result throws', async t => {
  await using opened = await openProxied()
  const { db } = opened
  await t.rejects(db.selectFrom('task').selectAll().stream().next(), { message: /not streamed/ })
})
