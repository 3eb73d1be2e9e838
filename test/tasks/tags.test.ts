/** addTaskTag and removeTaskTag change one tag of a task and keep the others. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { parse } from 'yaml'
import { contract } from '../../scripts/support/contract.ts'
import { onPostgres, startService } from '../../scripts/support/service.ts'
import * as tasks from '../../src/tasks/queries.ts'
import { lastRequest } from '../support/bytes.ts'
import { untilWaiting } from '../support/locks.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

t.test('a tag is added to the others in the order of code points, and removed from them', async t => {
  const alice = await service.newUser()
  const { id, updated_at } = await alice.createTask({ title: 'T', completed: true, tags: ['b', '\u{1f600}'] })
  const added = await alice.send.addTaskTag(id, '\uffee')
  t.match(added, { status: 200, body: { tags: ['b', '\uffee', '\u{1f600}'], revision: 2 } })
  t.equal(added.headers.get('etag'), '"2"')
  const { completed_at, updated_at: changed_at } = await alice.getTask(id)
  t.ok(changed_at >= updated_at && completed_at !== null && completed_at <= updated_at)
  t.match(await alice.addTaskTag(id, 'B'), { tags: ['B', 'b', '\uffee', '\u{1f600}'], revision: 3 })
  t.match(await alice.removeTaskTag(id, 'b'), { tags: ['B', '\uffee', '\u{1f600}'], completed_at, revision: 4 })
})

t.test('adding a tag that the task has, or removing one that it lacks, changes nothing', async t => {
  const alice = await service.newUser()
  const task = await alice.createTask({ title: 'T', tags: ['a', 'b'] })
  t.same(await alice.addTaskTag(task.id, 'a'), task)
  t.same(await alice.removeTaskTag(task.id, 'c'), task)
  t.equal((await alice.createTask({ title: 'Next' })).revision, 2)
})

t.test('a task that does not exist, or was deleted, gets no tag', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  const { id } = await alice.createTask({ title: 'T', tags: ['a'] })
  t.match(await alice.send.addTaskTag(randomUUID(), 'b'), { status: 404, body: { code: 'task_not_found' } })
  t.equal((await bob.send.removeTaskTag(id, 'a')).status, 404)
  await alice.deleteTask(id)
  t.equal((await alice.send.addTaskTag(id, 'b')).status, 404)
  t.equal((await alice.send.removeTaskTag(id, 'a')).status, 404)
  t.same((await alice.restoreTask(id)).tags, ['a'])
})

t.test('a task with as many tags as the contract allows keeps them and gets no more', async t => {
  const alice = await service.newUser()
  const { maxItems } = parse(contract.yaml.toString()).components.schemas.TagsInput
  const tags = Array.from({ length: maxItems - 1 }, (_, index) => `tag ${index}`)
  const { id } = await alice.createTask({ title: 'T', tags })
  const full = await alice.addTaskTag(id, 'the last')
  t.equal(full.tags.length, maxItems)
  const refused = { status: 422, body: { code: 'too_many_tags', detail: `A task may have at most ${maxItems} tags.` } }
  t.match(await alice.send.addTaskTag(id, 'one more'), refused)
  t.equal((await alice.send.addTaskTag(id, 'one more', { header: { 'If-Match': '"9"' } })).status, 412)
  t.same(await alice.addTaskTag(id, 'the last'), full, 'a tag that it has is no further one')
  t.same(await alice.getTask(id), full)
  await alice.removeTaskTag(id, 'tag 0')
  t.equal((await alice.send.addTaskTag(id, 'one more')).status, 200)
})

t.test('any valid tag can be in the path', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  const longest = '\u{1f600}'.repeat(64)
  for (const tag of [
    'a/b',
    '/',
    '%',
    '%2F',
    'a b',
    ' ',
    '?',
    '#',
    ';',
    '+',
    ':id',
    '*',
    '\\',
    '\'{}",',
    'Ä',
    longest,
  ]) {
    t.same((await alice.addTaskTag(id, tag)).tags, [tag], tag)
    t.match((await alice.listTags()).data, [{ name: tag }])
    t.match(await alice.renameTag(tag, { name: `${tag.slice(0, 2)}!` }), { updated_count: 1 })
    t.same((await alice.removeTaskTag(id, `${tag.slice(0, 2)}!`)).tags, [])
  }
  // A URL cannot have these, but a path can.
  for (const tag of ['.', '..']) {
    const path = `/api/${alice.id}/tasks/${id}/tags/${tag}`
    const { status, body } = await service.send('PUT', path, lastRequest('PUT', path))
    t.match([status, body], [200, { tags: [tag] }])
    await alice.updateTask(id, { tags: [] })
  }
})

t.test('an invalid tag in the path returns 400', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  const invalid = { 'a\nb': 'wrong_format', ['a'.repeat(65)]: 'too_long' }
  for (const [tag, code] of Object.entries(invalid)) {
    const refused = { status: 400, body: { errors: [{ in: 'path', name: 'tag', code }] } }
    t.match(await alice.send.addTaskTag(id, tag), refused)
    t.match(await alice.send.removeTaskTag(id, tag), refused)
    t.match(await alice.send.renameTag(tag, { name: 'b' }), refused)
    t.match(await alice.send.deleteTag(tag), refused)
    t.match(await alice.send.renameTag('b', { name: tag }), {
      status: 400,
      body: { errors: [{ in: 'body', pointer: '/name', code }] },
    })
  }
})

t.test('a key belongs to the tag that it was sent with', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  const header = { 'Idempotency-Key': randomUUID() }
  await alice.addTaskTag(id, 'a', { header })
  t.match(await alice.send.addTaskTag(id, 'b', { header }), { status: 422, body: { code: 'idempotency_key_reused' } })
  t.same((await alice.getTask(id)).tags, ['a'])
})

t.test('concurrent changes of different tags are all kept', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T', tags: ['old 1', 'old 2'] })
  const numbers = Array.from({ length: 20 }, (_, index) => 10 + index)
  await Promise.all([
    ...numbers.map(number => alice.addTaskTag(id, `new ${number}`)),
    alice.removeTaskTag(id, 'old 1'),
    alice.updateTask(id, { title: 'Changed' }),
  ])
  const tags = [...numbers.map(number => `new ${number}`), 'old 2']
  t.match(await alice.getTask(id), { title: 'Changed', tags, revision: 23 })
})

t.test(
  'a tag that waits for another one to be committed is added to it',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const alice = await service.newUser()
    const { id } = await alice.createTask({ title: 'T' })
    const target = { userId: alice.id, id, ifMatch: null, ifNoneMatch: [], now: new Date().toISOString() }
    const steps = [
      { write: 'addTaskTag', sends: 'cardinality', tags: ['first 0', 'second'] },
      { write: 'removeTaskTag', sends: 'array_remove', tags: ['first 0', 'first 1'] },
    ] as const
    for (const [number, { write, sends, tags }] of steps.entries()) {
      const first = await kysely.startTransaction().execute()
      await tasks.addTag(first, { ...target, tag: `first ${number}`, most: 50 })
      const second = alice[write](id, 'second')
      await untilWaiting(kysely, sends)
      await first.commit().execute()
      t.same((await second).tags, tags)
    }
  },
)
