/** Idempotency-Key: every write can be repeated, and happens once. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { client, onPostgres, ownDatabase, randomUser, startService, type Task } from '../../scripts/support/service.ts'
import type { Operation } from '../../src/contract/load.ts'
import { troubleKeys } from '../support/keys.ts'
import { prepareFor } from '../support/prepare.ts'

const LIFETIME = 3_600_000
const service = await startService({ retention: { tombstones: LIFETIME, keys: LIFETIME } })
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create, database } = service

const tasksPath = (user: string) => `/api/${user}/tasks`
const pathOf = (task: Task) => `${tasksPath(task.user_id)}/${task.id}`
const withKey = (key: string, headers = {}) => ({ 'idempotency-key': key, ...headers })
const find = async (task: Task) => (await call('GET', pathOf(task))).body
const listed = async (user: string) => (await call('GET', tasksPath(user))).body.data as Task[]

const keyed = operations.filter(({ parameters }) => parameters.some(({ name }) => name === 'Idempotency-Key'))

/** A fresh user with a task that the operation's example changes, and that request with a key. */
async function prepare(operation: Operation) {
  const user = await service.newUser()
  const request = validRequest(operation, user.id, { id: await prepareFor(operation.operationId, user) })
  const send = (key: string) => service.call(...request, withKey(key))
  const createNext = (title = 'Next') => user.createTask({ title })
  return { user, send, createNext }
}

t.test('every operation that writes takes a key, and no other does', async t => {
  t.same(
    keyed,
    // Erasing a user may be repeated anyway, and a key would be one more row of the user's.
    operations.filter(({ method, operationId }) => method !== 'get' && operationId !== 'eraseUser'),
  )
})

for (const operation of keyed) {
  const { operationId } = operation

  t.test(`${operationId} with a key happens once, and a retry gets the first response`, async t => {
    const { send, createNext } = await prepare(operation)
    const key = randomUUID()
    const first = await send(key)
    t.ok(first.status < 300)
    t.equal(first.headers.get('idempotent-replayed'), null)
    // Whatever happens meanwhile, by others.
    const other = await createNext('By somebody else')
    const again = await send(key)
    t.same([again.status, again.text], [first.status, first.text])
    for (const name of ['etag', 'location', 'content-type']) {
      t.equal(again.headers.get(name), first.headers.get(name), name)
    }
    t.equal(again.headers.get('idempotent-replayed'), 'true')
    t.equal((await createNext()).revision, other.revision + 1, 'nothing was written')
  })

  t.test(`${operationId} ten times at once with one key happens once, and all get its response`, async t => {
    const { send, createNext } = await prepare(operation)
    const before = await createNext()
    const key = randomUUID()
    // PostgreSQL waits for the first one for a second: on a busy machine that may be too short.
    const patiently = async (): ReturnType<typeof send> => {
      const answer = await send(key)
      return answer.body?.code === 'idempotency_key_in_use' ? patiently() : answer
    }
    const answers = await Promise.all(Array.from({ length: 10 }, patiently))
    t.equal(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1)
    t.equal(answers.filter(({ headers }) => headers.get('idempotent-replayed') === 'true').length, 9)
    t.equal((await createNext()).revision, before.revision + 2, 'one write, and this one')
  })

  t.test(`${operationId} with the key of another request returns 422 and writes nothing`, async t => {
    const { user, send, createNext } = await prepare(operation)
    const key = randomUUID()
    await user.createTask({ title: 'Its own request' }, { header: { 'Idempotency-Key': key } })
    const before = await createNext()
    const { status, body } = await send(key)
    t.match([status, body], [422, { code: 'idempotency_key_reused' }])
    t.equal((await createNext()).revision, before.revision + 1)
  })
}

t.test('a key that is still at work, or vanished between two looks, is 409 and nothing is written', async t => {
  await using service = await startService({ config: ownDatabase })
  await troubleKeys(service.database.kysely)
  for (const operation of keyed) {
    for (const key of ['55P03', 'vanished']) {
      const user = randomUser()
      const task = await service.create(user)
      const [method, path, body] = validRequest(operation, user, { id: task.id })
      const answer = await service.call(method, path, body, withKey(key))
      t.match([answer.status, answer.body], [409, { code: 'idempotency_key_in_use' }])
      t.equal(answer.headers.get('retry-after'), '1')
      t.equal((await service.create(user)).revision, 2, operation.operationId)
    }
  }
})

t.test('a keyed toggle repeated ten times has toggled once', async t => {
  const task = await create(randomUser())
  const key = randomUUID()
  for (let count = 0; count < 10; count += 1) {
    const { body } = await call('PATCH', `${pathOf(task)}/complete`, undefined, withKey(key))
    t.match(body, { completed: true, revision: 2 })
  }
  t.match(await find(task), { completed: true, revision: 2 })
})

t.test('what an outcome was is repeated, whatever holds by then', async t => {
  const user = randomUser()
  const task = await create(user)
  const taken = { id: task.id, title: 'T' }
  const missing = randomUUID()
  const requests: [number, (headers: Record<string, string>) => ReturnType<typeof call>][] = [
    [409, headers => call('POST', tasksPath(user), taken, headers)],
    [412, headers => call('PATCH', pathOf(task), { title: 'T' }, { ...headers, 'if-match': '"9"' })],
    [404, headers => call('DELETE', `${tasksPath(user)}/${missing}`, undefined, headers)],
  ]
  for (const [expected, send] of requests) {
    const key = randomUUID()
    const first = await send(withKey(key))
    t.equal(first.status, expected)
    const again = await send(withKey(key))
    t.same([again.status, again.text], [first.status, first.text], 'its instance included')
    t.equal(again.headers.get('etag'), first.headers.get('etag'))
    t.equal(again.headers.get('idempotent-replayed'), 'true')
  }
  const key = randomUUID()
  await call('DELETE', pathOf(task))
  t.equal((await call('PATCH', pathOf(task), { title: 'T' }, withKey(key))).status, 404)
  await call('POST', `${pathOf(task)}/restore`)
  t.equal((await call('PATCH', pathOf(task), { title: 'T' }, withKey(key))).status, 404, 'still')
  t.equal((await find(task)).title, task.title)
})

t.test('what breaks a rule is not kept: the key is free for the request that keeps them', async t => {
  const user = randomUser()
  const key = randomUUID()
  t.equal((await call('POST', tasksPath(user), { title: '' }, withKey(key))).status, 400)
  t.equal((await call('POST', tasksPath(user), 'T', withKey(key, { 'content-type': 'text/plain' }))).status, 415)
  const { status, headers } = await call('POST', tasksPath(user), { title: 'T' }, withKey(key))
  t.same([status, headers.get('idempotent-replayed')], [201, null])
})

t.test('another payload, path, query or condition is another request; another order of members is not', async t => {
  const user = randomUser()
  const task = await create(user)
  const key = randomUUID()
  const patch = (path: string, body: string, headers = {}) =>
    call('PATCH', path, body, { 'content-type': 'application/json', ...withKey(key, headers) })
  const body = '{"title":"T","description":null}'
  t.equal((await patch(pathOf(task), body)).status, 200)
  const same = await patch(pathOf(task), '{ "description": null, "title": "T" }', {
    'content-type': 'application/merge-patch+json',
  })
  t.same([same.status, same.headers.get('idempotent-replayed')], [200, 'true'])
  const shouted = await patch(`${tasksPath(user)}/${task.id.toUpperCase()}`, body)
  t.same([shouted.status, shouted.headers.get('idempotent-replayed')], [200, 'true'])
  const others = [
    await patch(pathOf(task), '{"title":"T"}'),
    await patch(pathOf(task), '{"title":"t","description":null}'),
    await patch(`${tasksPath(user)}/${randomUUID()}`, body),
    await patch(pathOf(task), body, { 'if-match': '"1"' }),
    await patch(pathOf(task), body, { 'if-none-match': '"1"' }),
  ]
  for (const { status } of others) t.equal(status, 422)
  t.equal((await call('DELETE', `${tasksPath(user)}?completed=true`, undefined, withKey('q'))).status, 200)
  t.equal((await call('DELETE', `${tasksPath(user)}?completed=false`, undefined, withKey('q'))).status, 422)
})

t.test('a default is no part of a batch, so leaving it out and writing it are two requests', async t => {
  const user = randomUser()
  const send = (task: object) =>
    call('POST', `/api/${user}/tasks/batch`, { items: [{ action: 'create', task }] }, withKey('default'))
  t.equal((await send({ title: 'T' })).status, 200)
  t.equal((await send({ title: 'T', completed: false })).status, 422)
  t.equal((await send({ title: 'T' })).headers.get('idempotent-replayed'), 'true')
})

t.test('keys are quoted or bare, and have 1 to 255 characters', async t => {
  const user = randomUser()
  const send = (key: string) => call('POST', tasksPath(user), { title: 'T' }, withKey(key))
  for (const [quoted, bare] of [
    ['"abc"', 'abc'],
    [`"${'k'.repeat(255)}"`, 'k'.repeat(255)],
    ['"a\\\\b"', 'a\\b'],
    ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
  ] as const) {
    const first = await send(quoted)
    t.equal(first.status, 201)
    t.same((await send(bare)).body, first.body, `${quoted} is ${bare}`)
  }
  t.equal((await send('"with \\"quotes\\" and spaces"')).status, 201)
  for (const key of [
    '',
    '""',
    'k'.repeat(256),
    `"${'k'.repeat(256)}"`,
    'a b',
    '"a',
    'a"',
    '"a"b"',
    '"\\x"',
    'ä',
    '"a", "b"',
  ]) {
    const { status, body } = await send(key)
    t.match([status, body.errors], [400, [{ in: 'header', name: 'idempotency-key' }]], key)
  }
  t.equal((await listed(user)).length, 5)
})

t.test('keys are of one user each', async t => {
  const key = randomUUID()
  const [one, other] = [randomUser(), randomUser()]
  t.equal((await call('POST', tasksPath(one), { title: 'One' }, withKey(key))).status, 201)
  const { status, body } = await call('POST', tasksPath(other), { title: 'Other' }, withKey(key))
  t.match([status, body.title], [201, 'Other'])
})

t.test('a key that is kept no longer is free again, for any request', async t => {
  const user = randomUser()
  const key = randomUUID()
  await call('POST', tasksPath(user), { title: 'First' }, withKey(key))
  const age = (milliseconds: number) =>
    database.kysely
      .updateTable('idempotency_key')
      .set({ created_at: new Date(Date.now() - milliseconds).toISOString() })
      .where('user_id', '=', user)
      .execute()
  await age(LIFETIME - 60_000)
  t.equal((await call('POST', tasksPath(user), { title: 'Second' }, withKey(key))).status, 422)
  await age(LIFETIME + 1)
  const second = await call('POST', tasksPath(user), { title: 'Second' }, withKey(key))
  t.same([second.status, second.headers.get('idempotent-replayed')], [201, null])
  t.equal((await call('POST', tasksPath(user), { title: 'Second' }, withKey(key))).text, second.text)
})

t.test(
  'a key whose transaction takes too long is 409',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const user = randomUser()
    const key = randomUUID()
    const send = () => call('POST', tasksPath(user), { title: 'T' }, withKey(key))
    const transaction = await database.kysely.startTransaction().execute()
    await transaction
      .insertInto('idempotency_key')
      .values({ user_id: user, key, fingerprint: '', created_at: new Date().toISOString() })
      .execute()
    const { status, body } = await send()
    t.match([status, body.code], [409, 'idempotency_key_in_use'])
    await transaction.rollback().execute()
    t.equal((await send()).status, 201)
  },
)

t.test('trouble of the database is no answer to be kept', async t => {
  await using service = await startService({ config: ownDatabase })
  const { kysely } = service.database
  const user = randomUser()
  const send = (key: string) => service.call('POST', tasksPath(user), { title: 'T' }, withKey(key))
  const mend = await troubleKeys(kysely)
  t.match((await send('57014')).body, { status: 503, code: 'database_unavailable' })
  t.match((await send('22012')).body, { status: 500 })
  t.same((await service.call('GET', tasksPath(user))).body.data, [])
  await mend()
  for (const key of ['57014', '22012']) t.equal((await send(key)).status, 201)
})

t.test('keys survive the end of the process, kill -9 included', async t => {
  const config = await ownDatabase(t)
  const user = randomUser()
  const key = randomUUID()
  const answers = []
  for (let run = 0; run < 2; run += 1) {
    await using service = await startProcess(environment(config))
    await untilHealthy(service.origin)
    answers.push(await client(service.origin).call('POST', tasksPath(user), { title: 'T' }, withKey(key)))
    await service.end('SIGKILL')
  }
  const [first, second] = answers
  t.equal(first?.status, 201)
  t.same([second?.status, second?.text], [first?.status, first?.text])
  t.equal(second?.headers.get('idempotent-replayed'), 'true')
})
