/** Connections to PostgreSQL that break or go silent, at the start, during a statement, and during a transaction. */
import { sql } from 'kysely'
import t from 'tap'
import { untilHealthy } from '../../scripts/support/process.ts'
import { createProxy, isWaiting, openProxied, startBehind, startProxied } from '../support/proxied.ts'

t.test('a connection lost while it is set up fails only the statement that needed it', async t => {
  await using opened = await openProxied()
  const { proxy, db } = opened
  const alone = () => sql`select 1`.execute(db)
  const inTransaction = () => db.transaction().execute(transaction => sql`select 1`.execute(transaction))
  proxy.cutAt('request', 'set datestyle')
  await t.rejects(alone())
  await t.rejects(inTransaction())
  proxy.cutAt('request', 'text that no statement has')
  t.equal((await alone()).rows.length, 1)
  t.equal((await inTransaction()).rows.length, 1)
})

t.test('a connection lost while it is set up makes a request return 503', async t => {
  await using proxied = await startProxied()
  const { proxy, running, newUser } = proxied
  proxy.cut()
  proxy.cutAt('request', 'set datestyle')
  await running.logged(line => line.msg === 'a database connection was lost')
  const alice = await newUser()
  const { status, headers } = await alice.send.listTasks()
  t.equal(status, 503)
  t.equal(headers.get('retry-after'), '1')
  t.same(await running.end('SIGTERM'), { code: 0, signal: null })
})

t.test('a connection that went silent is closed after the timeout, and not used again', async t => {
  await using proxied = await startProxied()
  const { proxy, running, newUser } = proxied
  const [alice, bob] = [await newUser(), await newUser()]
  const createKeyed = (key: string, user = alice) =>
    user.send.createTask({ title: 'T' }, { header: { 'Idempotency-Key': key } })
  t.equal((await createKeyed('before')).status, 201)
  t.equal((await alice.send.listTasks()).status, 200)
  proxy.silence()
  const reads = [alice.send.listTasks(), bob.send.listTasks()]
  const first = createKeyed('first')
  const second = await createKeyed('second', bob)
  t.match([second.status, second.body], [503, { code: 'overloaded' }], 'waiting for the only connection ends first')
  for (const answer of await Promise.all([first, ...reads])) {
    t.match(answer.body, { status: 503, code: 'database_unavailable' }, 'after the timeout')
  }
  t.equal((await alice.send.listTasks()).status, 200, 'on a new connection')
  t.match(
    running.log.find(({ msg }) => msg === 'the database is available again'),
    { refused: 3 },
    'the overload is not counted',
  )
  t.same(await running.end('SIGTERM'), { code: 0, signal: null })
})

t.test('a connection that goes silent while the schema is read is closed, and the service tries another', async t => {
  await using proxy = await createProxy()
  await proxy.listen()
  for (const text of ['server_version_num', 'kysely_migration']) {
    proxy.silenceAt('request', text)
    await using running = await startBehind(proxy)
    const { error } = await running.logged(isWaiting)
    t.equal(error, 'Query read timeout', text)
    proxy.silenceAt('request', 'nothing')
    await untilHealthy(running.origin)
    t.same(await running.end('SIGTERM'), { code: 0, signal: null })
  }
})

t.test('a write whose result is lost returns 503 and is not sent again', async t => {
  await using proxied = await startProxied()
  const { proxy, running, newUser } = proxied
  const alice = await newUser()
  const { id } = await alice.createTask({ title: 'A task' })
  const title = 'Stored, but the result is lost'
  proxy.cutAt('response', title)
  const { status, headers } = await alice.send.updateTask(id, { title })
  t.equal(status, 503)
  t.equal(headers.get('retry-after'), '1')
  t.equal(proxy.cuts, 1, 'it was sent once')
  proxy.cutAt('response', 'nothing')
  t.match(await alice.getTask(id), { title }, 'the write may have happened, as 503 allows')
  t.same(await running.end('SIGTERM'), { code: 0, signal: null })
})

t.test('a transaction rejects with its first error, not with that of the failed rollback', async t => {
  await using opened = await openProxied()
  const { proxy, db } = opened
  proxy.cutAt('request', 'select 7')
  await t.rejects(
    db.transaction().execute(transaction => sql`select 7`.execute(transaction)),
    { message: 'Connection terminated unexpectedly' },
  )
  const { rows } = await sql`select 8 as eight`.execute(db)
  t.same(rows, [{ eight: 8 }], 'the next statement has another connection')
})
