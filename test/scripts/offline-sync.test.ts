/** The example client against the real server: offline, over a network that loses answers, beside other clients. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { type OfflineTasks, openOfflineTasks } from '../../scripts/examples/offline-sync/tasks.ts'
import { Offline } from '../../scripts/examples/offline-sync/transport.ts'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { ownDatabase, randomUser, startService, type Task } from '../../scripts/support/service.ts'
import { removeTombstones } from '../../src/jobs/purge-queries.ts'
import { troubleKeys } from '../support/keys.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { origin: url, call, create, database } = service

type Network = (request: Request) => Promise<Response>

/** The request arrives, and the answer does not, the first time. */
function losingAnswers(): Network {
  const seen = new Set<string>()
  return async request => {
    const what = `${request.method} ${request.url} ${request.headers.get('idempotency-key')}`
    const response = await fetch(request)
    if (seen.has(what)) return response
    seen.add(what)
    await response.arrayBuffer()
    throw new TypeError('fetch failed')
  }
}

const noNetwork: Network = async () => {
  throw new TypeError('fetch failed')
}

/** A device of the user's; `network` can be changed. */
async function createDevice(user: string) {
  const folder = await temporaryFolder()
  const file = `${folder.path}/tasks.json`
  const device = { network: fetch as Network, requests: [] as string[] }
  const open = () =>
    openOfflineTasks({
      url,
      user,
      file,
      fetch: request => {
        device.requests.push(`${request.method} ${new URL(request.url).search}`)
        return device.network(request)
      },
    })
  return Object.assign(device, { open, [Symbol.asyncDispose]: folder[Symbol.asyncDispose] })
}

const live = async (user: string) => (await call('GET', `/api/${user}/tasks?sort=title`)).body.data as Task[]
const titles = (tasks: { title: string }[]) => tasks.map(({ title }) => title).sort()

/** The client and the server have the same tasks. */
async function agree(test: Pick<typeof t, 'same'>, tasks: OfflineTasks, user: string): Promise<void> {
  const server = (await live(user)).map(({ id, title, description, completed }) => ({
    id,
    title,
    description,
    completed,
  }))
  test.same(new Set(tasks.list()), new Set(server))
}

t.test('edits work offline, survive the program, and reach the server once it is back', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
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
  await agree(t, reopened, user)
  t.match(await live(user), [{ id: milk, title: 'Milk', description: 'Two cartons', completed: true, revision: 4 }])
})

t.test('over a network that loses answers nothing is done twice', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  device.network = losingAnswers()
  const tasks = await device.open()
  const ids = [await tasks.add('One'), await tasks.add('Two'), await tasks.add('Three')]
  await tasks.update(ids[0] as string, { title: 'First' })
  await tasks.remove(ids[1] as string)
  await tasks.sync()
  await agree(t, tasks, user)
  t.same(titles(await live(user)), ['First', 'Three'])
  t.equal((await create(user)).revision, 6, 'five writes, and this one')
})

t.test('an edit of what somebody else has edited is merged, and neither is lost', async t => {
  const user = randomUser()
  await using phone = await createDevice(user)
  await using laptop = await createDevice(user)
  const [onPhone, onLaptop] = [await phone.open(), await laptop.open()]
  const id = await onPhone.add('Milk')
  await onPhone.sync()
  await onLaptop.sync()
  await onLaptop.update(id, { description: 'From the laptop' })
  await onLaptop.sync()
  await onPhone.update(id, { title: 'From the phone' })
  phone.network = losingAnswers()
  await onPhone.sync()
  t.match(await live(user), [{ title: 'From the phone', description: 'From the laptop' }])
  await agree(t, onPhone, user)
  await onLaptop.sync()
  await agree(t, onLaptop, user)
})

t.test('an edit elsewhere wins over a deletion here, a deletion elsewhere over an edit here', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  const [edited, deleted] = [await tasks.add('Edited elsewhere'), await tasks.add('Deleted elsewhere')]
  await tasks.sync()
  await call('PATCH', `/api/${user}/tasks/${edited}`, { title: 'Still wanted' })
  await call('DELETE', `/api/${user}/tasks/${deleted}`)
  await tasks.remove(edited)
  await tasks.update(deleted, { title: 'Too late' })
  await tasks.update(deleted, { completed: true })
  await tasks.sync()
  t.equal(tasks.pending(), 0)
  t.same(titles(tasks.list()), ['Still wanted'])
  await agree(t, tasks, user)
})

t.test('a task that is gone by the time of the merge stays gone', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  const id = await tasks.add('T')
  await tasks.sync()
  await call('PATCH', `/api/${user}/tasks/${id}`, { title: 'U' })
  device.network = async request => {
    if (request.method === 'GET' && request.url.endsWith(id)) await call('DELETE', `/api/${user}/tasks/${id}`)
    return fetch(request)
  }
  await tasks.update(id, { completed: true })
  await tasks.sync()
  t.same([tasks.list(), tasks.pending()], [[], 0])
})

t.test('it goes on from its token, also after the end of the program', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  await create(user, { title: 'Before' })
  await tasks.sync()
  t.match(device.requests, ['GET ?limit=500'])
  const { id } = await create(user, { title: 'Since' })
  const reopened = await device.open()
  await reopened.sync()
  t.match(device.requests[1], /^GET \?limit=500&since=/)
  t.same(titles(reopened.list()), ['Before', 'Since'])
  await call('DELETE', `/api/${user}/tasks/${id}`)
  await reopened.sync()
  t.same(titles(reopened.list()), ['Before'])
})

t.test('away for too long it starts anew, and forgets what is gone', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  const gone = await create(user, { title: 'Gone' })
  await create(user, { title: 'Kept' })
  await tasks.sync()
  await call('DELETE', `/api/${user}/tasks/${gone.id}`)
  const before = new Date(Date.now() + 1000).toISOString()
  await removeTombstones(database.kysely, { userId: user, ids: [gone.id], before })
  await tasks.sync()
  t.same(titles(tasks.list()), ['Kept'])
  t.equal(device.requests.length, 3, 'a snapshot, a refused token, a snapshot')
})

t.test('a server that asks for patience gets it', async t => {
  await using service = await startService({ config: ownDatabase })
  await troubleKeys(service.database.kysely)
  const user = randomUser()
  await using folder = await temporaryFolder()
  const file = `${folder.path}/tasks.json`
  let answers = 0
  const network: Network = async request => {
    if (answers++ > 0) return fetch(request)
    // As if an attempt of before were still at work.
    const headers = new Headers(request.headers)
    headers.set('idempotency-key', '55P03')
    return fetch(new Request(request, { headers }))
  }
  const tasks = await openOfflineTasks({ url: service.origin, user, file, fetch: network })
  const id = await tasks.add('T')
  await tasks.sync()
  t.match((await service.call('GET', `/api/${user}/tasks`)).body.data, [{ id, revision: 1 }])
  t.equal(answers, 3, 'refused, created, and the changes')
})

t.test('a write that the server refuses is set aside with what builds on it, and holds up nothing else', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
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
  await agree(t, tasks, user)
  await using invalid = await createDevice('not/a/user')
  const nobody = await invalid.open()
  await t.rejects(nobody.sync(), { message: /^validation_failed: / })
})

t.test('an answer that is not of the service says nothing about a write', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  await tasks.add('Precious')
  device.network = request => fetch(new Request(request.url.replace('/api/', '/v1/api/'), request))
  await t.rejects(tasks.sync(), { message: /^route_not_found: / })
  device.network = async () => new Response(null, { status: 403, headers: { 'content-length': '0' } })
  await t.rejects(tasks.sync(), { message: 'The server returned 403.' })
  t.equal(tasks.pending(), 1)
  device.network = fetch
  await tasks.sync()
  t.same(titles(await live(user)), ['Precious'])
})

t.test('an edit of a task that was never seen here is made, if there is one', async t => {
  const user = randomUser()
  const { id } = await create(user)
  const gone = await create(user)
  await call('DELETE', `/api/${user}/tasks/${gone.id}`)
  await using device = await createDevice(user)
  const tasks = await device.open()
  await tasks.update(id, { title: 'My edit' })
  await tasks.update(gone.id, { title: 'Too late' })
  await tasks.sync()
  t.same(titles(await live(user)), ['My edit'])
  await agree(t, tasks, user)
})

t.test('until a new snapshot is whole the older tasks are shown', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  const [gone, kept] = [await create(user, { title: 'Gone' }), await create(user, { title: 'Kept' })]
  await tasks.sync()
  await call('DELETE', `/api/${user}/tasks/${gone.id}`)
  const before = new Date(Date.now() + 1000).toISOString()
  await removeTombstones(database.kysely, { userId: user, ids: [gone.id], before })
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
  await agree(t, tasks, user)
  t.match(await live(user), [{ title: 'Kept', completed: true }])
})

t.test('an edit elsewhere wins over a deletion here, also where that comes after an edit', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  const id = await tasks.add('T')
  await tasks.sync()
  await tasks.update(id, { title: 'Mine' })
  await tasks.remove(id)
  await call('PATCH', `/api/${user}/tasks/${id}`, { description: 'Theirs' })
  await tasks.sync()
  t.match(await live(user), [{ title: 'Mine', description: 'Theirs' }])
  await agree(t, tasks, user)
})

t.test('a list of several pages comes whole', async t => {
  const user = randomUser()
  for (let batch = 0; batch < 6; batch += 1) {
    const items = Array.from({ length: 100 }, () => ({ action: 'create', task: { title: 'T' } }))
    t.equal((await call('POST', `/api/${user}/tasks/batch`, { items })).status, 200)
  }
  await using device = await createDevice(user)
  const tasks = await device.open()
  await tasks.sync()
  t.equal(tasks.list().length, 600)
  t.equal(device.requests.length, 2)
})

t.test('edits at the same moment are all kept', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  await Promise.all(['a', 'b', 'c'].map(title => tasks.add(title)))
  t.equal((await device.open()).pending(), 3)
})

t.test('a date in Retry-After, and a request that came too slowly', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  const answers = [
    new Response('{}', { status: 408 }),
    new Response('{}', { status: 503, headers: { 'retry-after': new Date().toUTCString() } }),
  ]
  device.network = async request => answers.shift() ?? fetch(request)
  await tasks.add('T')
  await tasks.sync()
  t.same(titles(await live(user)), ['T'])
})

t.test('an attempt of so long ago that its key is forgotten is still the only one', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  const id = await tasks.add('Milk')
  await tasks.update(id, { completed: true })
  const losing = losingAnswers()
  device.network = async request => {
    await database.kysely.deleteFrom('idempotency_key').where('user_id', '=', user).execute()
    return losing(request)
  }
  await tasks.sync()
  t.match(await live(user), [{ id, title: 'Milk', completed: true }])
  await agree(t, tasks, user)
})

t.test('a merge that is refused loses no edit', async t => {
  const user = randomUser()
  await using device = await createDevice(user)
  const tasks = await device.open()
  const id = await tasks.add('T')
  await tasks.sync()
  await call('PATCH', `/api/${user}/tasks/${id}`, { description: 'D' })
  await tasks.update(id, { title: 'U' })
  const withBadAccept = (request: Request) => fetch(new Request(request, { headers: { accept: 'text/html' } }))
  device.network = request => (request.method === 'GET' ? withBadAccept(request) : fetch(request))
  await t.rejects(tasks.sync(), { message: /^not_acceptable: / })
  t.equal(tasks.pending(), 1)
  device.network = fetch
  await tasks.sync()
  t.match(await live(user), [{ title: 'U', description: 'D' }])
})

t.test('a file that cannot be read is not taken for a new one', async t => {
  await using folder = await temporaryFolder()
  await t.rejects(openOfflineTasks({ url, user: randomUser(), file: folder.path }), { code: 'EISDIR' })
})

t.test('from the command line', async t => {
  const user = randomUser()
  await using folder = await temporaryFolder()
  const file = `${folder.path}/tasks.json`
  const script = fileURLToPath(new URL('../../scripts/examples/offline-sync.ts', import.meta.url))
  const run = async (...words: string[]) => {
    const args = [script, '--url', url, '--user', user, '--file', file, ...words]
    return (await promisify(execFile)(process.execPath, args)).stdout.trim()
  }
  t.match(await run('add', 'Buy', 'milk'), /^\[ \] (\S+) Buy milk\n1 to be sent$/)
  const id = (await run('list')).split(' ')[2] as string
  await run('rename', id, 'Buy', 'oat', 'milk')
  await run('reopen', id)
  await run('complete', id)
  t.equal(await run('--token', 'nobody-looks-at-it-here', 'sync'), `[x] ${id} Buy oat milk`)
  t.match(await live(user), [{ id, title: 'Buy oat milk', completed: true }])
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
  // Of a program that was killed: no process has this number.
  await writeFile(`${file}.lock`, '999999999')
  await run('list')
  await t.rejects(run('--file', `${file}/none`, 'list'), { code: 1, stderr: /ENOTDIR/ })
  await t.rejects(run('archive'), { code: 1, stderr: /^Unknown command archive: use list, / })
})
