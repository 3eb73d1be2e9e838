/** The example client against failures: lost responses, refused writes, and servers that ask it to wait. */
import t from 'tap'
import { openOfflineTasks } from '../../scripts/examples/offline-sync/tasks.ts'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { ownDatabase, startService } from '../../scripts/support/service.ts'
import { troubleKeys } from '../support/keys.ts'
import { assertSynchronized, createDevice, live, losingAnswers, type Network, titles } from './device.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { origin: url, database } = service

t.test('over a network that loses responses each write happens once', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  device.network = losingAnswers()
  const tasks = await device.open()
  const ids = [await tasks.add('One'), await tasks.add('Two'), await tasks.add('Three')]
  await tasks.update(ids[0] as string, { title: 'First' })
  await tasks.remove(ids[1] as string)
  await tasks.sync()
  await assertSynchronized(t, tasks, alice)
  t.same(titles(await live(alice)), ['First', 'Three'])
  t.equal((await alice.createTask({ title: 'A task' })).revision, 6, 'five writes, and this one')
})

t.test('a write refused with Retry-After is sent again', async t => {
  await using service = await startService({ config: ownDatabase })
  await troubleKeys(service.database.kysely)
  const alice = await service.newUser()
  await using folder = await temporaryFolder()
  const file = `${folder.path}/tasks.json`
  let answers = 0
  const network: Network = async request => {
    if (answers++ > 0) return fetch(request)
    // As if an earlier attempt were still in flight.
    const headers = new Headers(request.headers)
    headers.set('idempotency-key', '55P03')
    return fetch(new Request(request, { headers }))
  }
  const tasks = await openOfflineTasks({ url: service.origin, user: alice.id, file, fetch: network })
  const id = await tasks.add('T')
  await tasks.sync()
  t.match(await live(alice), [{ id, revision: 1 }])
  t.equal(answers, 3, 'refused, created, and the changes')
})

t.test('a refused write is set aside with the writes that depend on it, and blocks no others', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  const bad = await tasks.add('')
  await tasks.add('Good')
  await tasks.update(bad, { completed: true })
  await tasks.sync()
  t.match(tasks.refused(), [
    { write: { kind: 'create', id: bad }, reason: /^validation_failed: / },
    { write: { kind: 'update', id: bad }, reason: /^validation_failed: / },
  ])
  t.equal(tasks.pending(), 0)
  await assertSynchronized(t, tasks, alice)
  await using invalid = await createDevice(url, 'not/a/user')
  const nobody = await invalid.open()
  await t.rejects(nobody.sync(), { message: /^validation_failed: / })
})

t.test('a response of another server leaves the write pending', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  await tasks.add('Precious')
  device.network = request => fetch(new Request(request.url.replace('/api/', '/v1/api/'), request))
  await t.rejects(tasks.sync(), { message: /^route_not_found: / })
  device.network = async () => new Response(null, { status: 403, headers: { 'content-length': '0' } })
  await t.rejects(tasks.sync(), { message: 'The server returned 403.' })
  t.equal(tasks.pending(), 1)
  device.network = fetch
  await tasks.sync()
  t.same(titles(await live(alice)), ['Precious'])
})

t.test('a write is sent again after 408, and after 503 with a date in Retry-After', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  const answers = [
    new Response('{}', { status: 408 }),
    new Response('{}', { status: 503, headers: { 'retry-after': new Date().toUTCString() } }),
  ]
  device.network = async request => answers.shift() ?? fetch(request)
  await tasks.add('T')
  await tasks.sync()
  t.same(titles(await live(alice)), ['T'])
})

t.test('a write whose key has expired on the server still happens once', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  const id = await tasks.add('Milk')
  await tasks.update(id, { completed: true })
  const losing = losingAnswers()
  device.network = async request => {
    await database.kysely.deleteFrom('idempotency_key').where('user_id', '=', alice.id).execute()
    return losing(request)
  }
  await tasks.sync()
  t.match(await live(alice), [{ id, title: 'Milk', completed: true }])
  await assertSynchronized(t, tasks, alice)
})
