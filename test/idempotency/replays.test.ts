/** Which responses are stored for an Idempotency-Key, and which requests count as the same. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { invalid } from '../../scripts/support/client.ts'
import { type Answer, ownDatabase, startService } from '../../scripts/support/service.ts'
import { troubleKeys } from '../support/keys.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

const withKey = (key: string) => ({ header: { 'Idempotency-Key': key } })

t.test('a keyed toggle sent ten times toggles once', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'A task' })
  const key = randomUUID()
  for (let count = 0; count < 10; count += 1) {
    t.match(await alice.setTaskCompletion(id, undefined, withKey(key)), { completed: true, revision: 2 })
  }
  t.match(await alice.getTask(id), { completed: true, revision: 2 })
})

t.test('a retry gets the stored error, even if the request would succeed by then', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'A task' })
  const missing = randomUUID()
  type Send = (header: Record<string, string>) => Promise<Pick<Answer, 'status' | 'headers' | 'text'>>
  const requests: [status: number, send: Send][] = [
    [409, header => alice.send.createTask({ id: task.id, title: 'T' }, { header })],
    [412, header => alice.send.updateTask(task.id, { title: 'T' }, { header: { ...header, 'If-Match': '"9"' } })],
    [404, header => alice.send.deleteTask(missing, { header })],
  ]
  for (const [expected, send] of requests) {
    const { header } = withKey(randomUUID())
    const first = await send(header)
    t.equal(first.status, expected)
    const again = await send(header)
    t.same([again.status, again.text], [first.status, first.text], 'including its instance')
    t.equal(again.headers.get('etag'), first.headers.get('etag'))
    t.equal(again.headers.get('idempotent-replayed'), 'true')
  }
  const update = () => alice.send.updateTask(task.id, { title: 'T' }, withKey('404'))
  await alice.deleteTask(task.id)
  t.equal((await update()).status, 404)
  await alice.restoreTask(task.id)
  t.equal((await update()).status, 404, 'still')
  t.equal((await alice.getTask(task.id)).title, task.title)
})

t.test('a validation error is not stored, and a valid request may use the key', async t => {
  const alice = await service.newUser()
  const { header } = withKey(randomUUID())
  t.equal((await alice.send.createTask({ title: '' }, { header })).status, 400)
  const asText = { header: { ...header, 'content-type': 'text/plain' } }
  t.equal((await alice.send.createTask(invalid('T'), asText)).status, 415)
  const { status, headers } = await alice.send.createTask({ title: 'T' }, { header })
  t.same([status, headers.get('idempotent-replayed')], [201, null])
})

t.test('another body, path, query or condition makes another request; the order of fields does not', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'A task' })
  const key = randomUUID()
  const patch = (id: string, body: string, header: Record<string, string> = {}) =>
    alice.send.updateTask(id, invalid(body), { header: { 'Idempotency-Key': key, ...header } })
  const body = '{"title":"T","description":null}'
  t.equal((await patch(id, body)).status, 200)
  const same = await patch(id, '{ "description": null, "title": "T" }', {
    'content-type': 'application/merge-patch+json',
  })
  t.same([same.status, same.headers.get('idempotent-replayed')], [200, 'true'])
  const inUpperCase = await patch(id.toUpperCase(), body)
  t.same([inUpperCase.status, inUpperCase.headers.get('idempotent-replayed')], [200, 'true'])
  const others = [
    await patch(id, '{"title":"T"}'),
    await patch(id, '{"title":"t","description":null}'),
    await patch(randomUUID(), body),
    await patch(id, body, { 'If-Match': '"1"' }),
    await patch(id, body, { 'If-None-Match': '"1"' }),
  ]
  for (const { status } of others) t.equal(status, 422)
  const deleteTasks = (completed: boolean) => alice.send.deleteTasks({ query: { completed }, ...withKey('q') })
  t.equal((await deleteTasks(true)).status, 200)
  t.equal((await deleteTasks(false)).status, 422)
})

t.test('a batch with a default written out is another request than one without it', async t => {
  const alice = await service.newUser()
  const send = (task: { title: string; completed?: boolean }) =>
    alice.send.batchTasks({ items: [{ action: 'create', task: invalid(task) }] }, withKey('default'))
  t.equal((await send({ title: 'T' })).status, 200)
  t.equal((await send({ title: 'T', completed: false })).status, 422)
  t.equal((await send({ title: 'T' })).headers.get('idempotent-replayed'), 'true')
})

t.test('an error of the database is not stored, and a retry succeeds', async t => {
  await using service = await startService({ config: ownDatabase })
  const alice = await service.newUser()
  const send = (key: string) => alice.send.createTask({ title: 'T' }, withKey(key))
  const endTrouble = await troubleKeys(service.database.kysely)
  t.match((await send('57014')).body, { status: 503, code: 'database_unavailable' })
  t.match((await send('22012')).body, { status: 500 })
  t.same((await alice.listTasks()).data, [])
  await endTrouble()
  for (const key of ['57014', '22012']) t.equal((await send(key)).status, 201)
})
