/** The example client against the real server: offline edits, snapshots and tokens, its file, its command line. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { openOfflineTasks } from '../../scripts/examples/offline-sync/tasks.ts'
import { Offline } from '../../scripts/examples/offline-sync/transport.ts'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { randomUser, startService, type Task } from '../../scripts/support/service.ts'
import { removeTombstones } from '../../src/jobs/purge-queries.ts'
import { assertSynchronized, createDevice, live, noNetwork, titles } from './device.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { origin: url, database } = service

t.test('edits work offline, survive a restart of the program, and reach the server once it is available', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  device.network = noNetwork
  const tasks = await device.open()
  const milk = await tasks.add('Milk')
  const tea = await tasks.add('Tea')
  await tasks.update(milk, { completed: true })
  await tasks.update(milk, { description: 'Two cartons' })
  await tasks.remove(tea)
  t.match(tasks.list(), [{ id: milk, title: 'Milk', completed: true, description: 'Two cartons' }])
  await t.rejects(tasks.sync(), Offline)
  t.equal(tasks.pending(), 5)

  const reopened = await device.open()
  t.same(reopened.list(), tasks.list())
  device.network = fetch
  await reopened.sync()
  t.equal(reopened.pending(), 0)
  await assertSynchronized(t, reopened, alice)
  t.match(await live(alice), [{ id: milk, title: 'Milk', description: 'Two cartons', completed: true, revision: 4 }])
})

t.test('a sync continues from the last token, also after a restart of the program', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  await alice.createTask({ title: 'Before' })
  await tasks.sync()
  t.match(device.requests, ['GET ?limit=500'])
  const { id } = await alice.createTask({ title: 'Since' })
  const reopened = await device.open()
  await reopened.sync()
  t.match(device.requests[1], /^GET \?limit=500&sync_token=/)
  t.same(titles(reopened.list()), ['Before', 'Since'])
  await alice.deleteTask(id)
  await reopened.sync()
  t.same(titles(reopened.list()), ['Before'])
})

t.test('a sync with an expired token starts with a snapshot and forgets deleted tasks', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  const gone = await alice.createTask({ title: 'Gone' })
  await alice.createTask({ title: 'Kept' })
  await tasks.sync()
  await alice.deleteTask(gone.id)
  const before = new Date(Date.now() + 1000).toISOString()
  await removeTombstones(database.kysely, { userId: alice.id, ids: [gone.id], before })
  await tasks.sync()
  t.same(titles(tasks.list()), ['Kept'])
  t.equal(device.requests.length, 3, 'a snapshot, an expired token, a snapshot')
})

t.test('until a new snapshot is complete, list returns the previous tasks', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  const [gone, kept] = [await alice.createTask({ title: 'Gone' }), await alice.createTask({ title: 'Kept' })]
  await tasks.sync()
  await alice.deleteTask(gone.id)
  const before = new Date(Date.now() + 1000).toISOString()
  await removeTombstones(database.kysely, { userId: alice.id, ids: [gone.id], before })
  let isSnapshot = false
  device.network = async request => {
    if (isSnapshot) throw new TypeError('fetch failed')
    const response = await fetch(request)
    isSnapshot = response.status === 410
    return response
  }
  await t.rejects(tasks.sync(), Offline)
  t.same(titles(tasks.list()), ['Gone', 'Kept'])
  await tasks.update(kept.id, { completed: true })
  device.network = fetch
  await tasks.sync()
  await assertSynchronized(t, tasks, alice)
  t.match(await live(alice), [{ title: 'Kept', completed: true }])
})

t.test('a sync fetches all pages', async t => {
  const alice = await service.newUser()
  for (let batch = 0; batch < 6; batch += 1) {
    const items = Array.from({ length: 100 }, () => ({
      action: 'create' as const,
      task: { title: 'T', completed: false },
    }))
    t.equal((await alice.send.batchTasks({ items })).status, 200)
  }
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  await tasks.sync()
  t.equal(tasks.list().length, 600)
  t.equal(device.requests.length, 2)
})

t.test('the file of an earlier version, which has fewer fields, keeps its edits and gets a snapshot', async t => {
  const alice = await service.newUser()
  const stored = [await alice.createTask({ title: 'A', priority: 'high' }), await alice.createTask({ title: 'B' })]
  const { next_sync_token: syncToken } = await alice.listChanges({})
  await using folder = await temporaryFolder()
  const file = `${folder.path}/tasks.json`
  const server = Object.fromEntries(stored.map(({ id, title, revision }) => [id, { id, title, revision }]))
  const { id, revision } = stored[1] as Task
  const write = { kind: 'update', id, changes: { completed: true }, key: randomUUID(), revision }
  await writeFile(file, JSON.stringify({ server, outbox: [write], refused: [], syncToken }))
  const tasks = await openOfflineTasks({ url, user: alice.id, file })
  t.equal(tasks.pending(), 1)
  await tasks.sync()
  t.match(tasks.list(), [
    { title: 'A', completed: false, priority: 'high' },
    { title: 'B', completed: true },
  ])
  await assertSynchronized(t, tasks, alice)
})

t.test('concurrent edits are all kept', async t => {
  const alice = await service.newUser()
  await using device = await createDevice(url, alice.id)
  const tasks = await device.open()
  await Promise.all(['a', 'b', 'c'].map(title => tasks.add(title)))
  t.equal((await device.open()).pending(), 3)
})

t.test('a file that cannot be read throws instead of being replaced', async t => {
  await using folder = await temporaryFolder()
  await t.rejects(openOfflineTasks({ url, user: randomUser(), file: folder.path }), { code: 'EISDIR' })
})

t.test('the command line offers every edit and reports errors', async t => {
  const alice = await service.newUser()
  await using folder = await temporaryFolder()
  const file = `${folder.path}/tasks.json`
  const script = fileURLToPath(new URL('../../scripts/examples/offline-sync.ts', import.meta.url))
  const run = async (...words: string[]) => {
    const args = [script, '--url', url, '--user', alice.id, '--file', file, ...words]
    return (await promisify(execFile)(process.execPath, args)).stdout.trim()
  }
  t.match(await run('add', 'Buy', 'milk'), /^\[ \] (\S+) Buy milk\n1 to be sent$/)
  const id = (await run('list')).split(' ')[2] as string
  await run('rename', id, 'Buy', 'oat', 'milk')
  await run('reopen', id)
  await run('complete', id)
  t.equal(await run('--token', 'nobody-looks-at-it-here', 'sync'), `[x] ${id} Buy oat milk`)
  t.match(await live(alice), [{ id, title: 'Buy oat milk', completed: true }])
  await run('due', id, '2026-11-24')
  await run('time', id, '09:00', 'Europe/Berlin')
  await run('due', id, '2026-11-25')
  await run('start', id, '2026-11-23')
  await run('priority', id, 'high')
  await run('tag', id, 'at', 'home')
  await run('tag', id, 'errands')
  await run('untag', id, 'at', 'home')
  const organised = 'due 2026-11-25 09:00 Europe/Berlin start 2026-11-23 high #errands'
  t.equal(await run('sync'), `[x] ${id} Buy oat milk ${organised}`)
  const tea = /^\[ \] (\S+) Tea$/m.exec(await run('add', 'Tea'))?.[1] as string
  t.match(await run('move', tea), /^.* Tea\n.* Buy oat milk/)
  t.match(await run('move', tea, id), /^.* Buy oat milk .*\n.* Tea\n/)
  await run('remove', tea)
  await run('time', id, '10:30')
  await run('time', id)
  await run('start', id)
  await run('priority', id)
  await run('untag', id, 'errands')
  t.equal(await run('sync'), `[x] ${id} Buy oat milk due 2026-11-25`)
  await run('due', id)
  t.equal(await run('sync'), `[x] ${id} Buy oat milk`)
  await run('remove', id)
  await t.rejects(run('--url', 'http://127.0.0.1:1', 'sync'), {
    code: 1,
    stderr: /^Offline \(.*\); nothing is lost\.\n/,
  })
  t.equal(await run('sync'), '')
  t.equal(await run(), '')
  await run('add')
  t.match(await run('sync'), /^refused: create \S+ \(validation_failed: .*\)$/)
  await t.rejects(run('--url', `${url}/v1`, 'sync'), { code: 1, stderr: /^route_not_found: / })
  await writeFile(`${file}.lock`, `${process.pid}`)
  await t.rejects(run('list'), { code: 1, stderr: /tasks\.json is in use by process / })
  // The lock of a killed program: no process has this id.
  await writeFile(`${file}.lock`, '999999999')
  await run('list')
  await t.rejects(run('--file', `${file}/none`, 'list'), { code: 1, stderr: /ENOTDIR/ })
  await t.rejects(run('archive'), { code: 1, stderr: /^Unknown command archive: use list, / })
})
