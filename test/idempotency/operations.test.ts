/** Idempotency-Key: every write takes one, and a repeated write happens once. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { ownDatabase, startService } from '../../scripts/support/service.ts'
import type { Operation } from '../../src/contract/load.ts'
import { troubleKeys } from '../support/keys.ts'
import { prepareFor } from '../support/prepare.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

const withKey = (key: string) => ({ 'idempotency-key': key })

const keyed = operations.filter(({ parameters }) => parameters.some(({ name }) => name === 'Idempotency-Key'))

/** A new user with a task that the operation's example changes, and that request with a key. */
async function prepare(operation: Operation) {
  const user = await service.newUser()
  const request = validRequest(operation, user.id, { id: await prepareFor(operation.operationId, user) })
  const send = (key: string) => service.call(...request, withKey(key))
  const createNext = (title = 'Next') => user.createTask({ title })
  return { user, send, createNext }
}

t.test('every write takes a key, and no other operation does', async t => {
  t.same(
    keyed,
    // Erasing a user is safe to repeat without a key, which would be one more row of the user's.
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
    const other = await createNext('Another write in between')
    const again = await send(key)
    t.same([again.status, again.text], [first.status, first.text])
    for (const name of ['etag', 'location', 'content-type']) {
      t.equal(again.headers.get(name), first.headers.get(name), name)
    }
    t.equal(again.headers.get('idempotent-replayed'), 'true')
    t.equal((await createNext()).revision, other.revision + 1, 'the retry wrote nothing')
  })

  t.test(`${operationId} sent ten times at once with one key happens once, and all get its response`, async t => {
    const { send, createNext } = await prepare(operation)
    const before = await createNext()
    const key = randomUUID()
    // PostgreSQL waits a second for the first request, which may be too short on a busy machine.
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
    await user.createTask({ title: 'The other request' }, { header: { 'Idempotency-Key': key } })
    const before = await createNext()
    const { status, body } = await send(key)
    t.match([status, body], [422, { code: 'idempotency_key_reused' }])
    t.equal((await createNext()).revision, before.revision + 1)
  })
}

t.test('a key in use, or purged while it is looked up, returns 409 and nothing is written', async t => {
  await using service = await startService({ config: ownDatabase })
  await troubleKeys(service.database.kysely)
  for (const operation of keyed) {
    for (const key of ['55P03', 'vanished']) {
      const user = await service.newUser()
      const { id } = await user.createTask({ title: 'A task' })
      const answer = await service.call(...validRequest(operation, user.id, { id }), withKey(key))
      t.match([answer.status, answer.body], [409, { code: 'idempotency_key_in_use' }])
      t.equal(answer.headers.get('retry-after'), '1')
      t.equal((await user.createTask({ title: 'Next' })).revision, 2, operation.operationId)
    }
  }
})
