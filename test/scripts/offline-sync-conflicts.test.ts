/** The example client beside other clients of the user: conflicting edits and deletions are merged. */
import t from 'tap'
import { startService } from '../../scripts/support/service.ts'
import { assertSynchronized, createDevice, live, losingAnswers, titles } from './device.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { origin: url } = service

t.test('edits of one task on two devices are merged, and neither is lost', async t => {
  const alice = await service.newUser()
  await using phone = await createDevice(url, alice.id)
  await using laptop = await createDevice(url, alice.id)
  const [onPhone, onLaptop] = [await phone.open(), await laptop.open()]
  const id = await onPhone.add('Milk')
  await onPhone.sync()
  await onLaptop.sync()
  await onLaptop.update(id, { description: 'From the laptop' })
  await onLaptop.sync()
  await onPhone.update(id, { title: 'From the phone' })
  phone.network = losingAnswers()
  await onPhone.sync()
  t.match(await live(alice), [{ title: 'From the phone', description: 'From the laptop' }])
  await assertSynchronized(t, onPhone, alice)
  await onLaptop.sync()
  await assertSynchronized(t, onLaptop, alice)
})

t.test('an edit elsewhere wins over a deletion here, and a deletion elsewhere wins over an edit here', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  const [edited, deleted] = [await tasks.add('Edited elsewhere'), await tasks.add('Deleted elsewhere')]
  await tasks.sync()
  await alice.updateTask(edited, { title: 'Still wanted' })
  await alice.deleteTask(deleted)
  await tasks.remove(edited)
  await tasks.update(deleted, { title: 'Too late' })
  await tasks.update(deleted, { completed: true })
  await tasks.sync()
  t.equal(tasks.pending(), 0)
  t.same(titles(tasks.list()), ['Still wanted'])
  await assertSynchronized(t, tasks, alice)
})

t.test('a task that is deleted during the merge stays deleted', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  const id = await tasks.add('T')
  await tasks.sync()
  await alice.updateTask(id, { title: 'U' })
  device.network = async request => {
    if (request.method === 'GET' && request.url.endsWith(id)) await alice.deleteTask(id)
    return fetch(request)
  }
  await tasks.update(id, { completed: true })
  await tasks.sync()
  t.same([tasks.list(), tasks.pending()], [[], 0])
})

t.test('an edit of a task that is only on the server is sent, and dropped if the task is deleted', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'A task' })
  const gone = await alice.createTask({ title: 'A task' })
  await alice.deleteTask(gone.id)
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  await tasks.update(id, { title: 'My edit' })
  await tasks.update(gone.id, { title: 'Too late' })
  await tasks.sync()
  t.same(titles(await live(alice)), ['My edit'])
  await assertSynchronized(t, tasks, alice)
})

t.test('an edit elsewhere wins over a deletion here that follows an edit', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  const id = await tasks.add('T')
  await tasks.sync()
  await tasks.update(id, { title: 'Mine' })
  await tasks.remove(id)
  await alice.updateTask(id, { description: 'Theirs' })
  await tasks.sync()
  t.match(await live(alice), [{ title: 'Mine', description: 'Theirs' }])
  await assertSynchronized(t, tasks, alice)
})

t.test('a merge that the server refuses keeps the edit pending', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  const id = await tasks.add('T')
  await tasks.sync()
  await alice.updateTask(id, { description: 'D' })
  await tasks.update(id, { title: 'U' })
  const withBadAccept = (request: Request) => fetch(new Request(request, { headers: { accept: 'text/html' } }))
  device.network = request => (request.method === 'GET' ? withBadAccept(request) : fetch(request))
  await t.rejects(tasks.sync(), { message: /^not_acceptable: / })
  t.equal(tasks.pending(), 1)
  device.network = fetch
  await tasks.sync()
  t.match(await live(alice), [{ title: 'U', description: 'D' }])
})
