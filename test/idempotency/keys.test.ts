/** The syntax of an Idempotency-Key, whose it is, and how long it is kept. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client, onPostgres, ownDatabase, randomUser, startService } from '../../scripts/support/service.ts'

const LIFETIME = 3_600_000
const service = await startService({ retention: { tombstones: LIFETIME, keys: LIFETIME } })
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

const withKey = (key: string) => ({ header: { 'Idempotency-Key': key } })

t.test('a key is quoted or bare, and has 1 to 255 characters', async t => {
  const alice = await service.newUser()
  const send = (key: string) => alice.send.createTask({ title: 'T' }, withKey(key))
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
    t.match([status, body], [400, { errors: [{ in: 'header', name: 'idempotency-key' }] }], key)
  }
  t.equal((await alice.listTasks()).data.length, 5)
})

t.test('two users may use the same key', async t => {
  const key = randomUUID()
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  t.equal((await alice.send.createTask({ title: 'One' }, withKey(key))).status, 201)
  const { status, body } = await bob.send.createTask({ title: 'Other' }, withKey(key))
  t.match([status, body], [201, { title: 'Other' }])
})

t.test('a key past its retention may be used for any request', async t => {
  const alice = await service.newUser()
  const key = randomUUID()
  await alice.createTask({ title: 'First' }, withKey(key))
  const age = (milliseconds: number) =>
    kysely
      .updateTable('idempotency_key')
      .set({ created_at: new Date(Date.now() - milliseconds).toISOString() })
      .where('user_id', '=', alice.id)
      .execute()
  const createSecond = () => alice.send.createTask({ title: 'Second' }, withKey(key))
  await age(LIFETIME - 60_000)
  t.equal((await createSecond()).status, 422)
  await age(LIFETIME + 1)
  const second = await createSecond()
  t.same([second.status, second.headers.get('idempotent-replayed')], [201, null])
  t.equal((await createSecond()).text, second.text)
})

t.test(
  'a key whose first request takes too long returns 409',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const alice = await service.newUser()
    const key = randomUUID()
    const send = () => alice.send.createTask({ title: 'T' }, withKey(key))
    const transaction = await kysely.startTransaction().execute()
    await transaction
      .insertInto('idempotency_key')
      .values({ user_id: alice.id, key, fingerprint: '', created_at: new Date().toISOString() })
      .execute()
    const { status, body } = await send()
    t.match([status, body], [409, { code: 'idempotency_key_in_use' }])
    await transaction.rollback().execute()
    t.equal((await send()).status, 201)
  },
)

t.test('a keyed create repeated after a kill -9 returns the stored response', async t => {
  await using config = await ownDatabase()
  const id = randomUser()
  const key = randomUUID()
  const answers = []
  for (let run = 0; run < 2; run += 1) {
    await using service = await startProcess(environment(config))
    await untilHealthy(service.origin)
    const alice = await client(service.origin).newUser({ id })
    answers.push(await alice.send.createTask({ title: 'T' }, withKey(key)))
    await service.end('SIGKILL')
  }
  const [first, second] = answers
  t.equal(first?.status, 201)
  t.same([second?.status, second?.text], [first?.status, first?.text])
  t.equal(second?.headers.get('idempotent-replayed'), 'true')
})
