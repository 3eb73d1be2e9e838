/** listTags, renameTag and deleteTag concern the tags of all of a user's live tasks, and only these. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import { parse } from 'yaml'
import type { User } from '../../scripts/support/client.ts'
import { contract } from '../../scripts/support/contract.ts'
import { onPostgres, startService } from '../../scripts/support/service.ts'
import { addTag, removeTag } from '../../src/tasks/queries.ts'
import { untilWaiting } from '../support/locks.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

/** The tags of each live task, by title. */
async function tagsOf(user: User): Promise<Record<string, string[]>> {
  const { data } = await user.listTasks({ query: { sort: 'title.asc', limit: 500 } })
  return Object.fromEntries(data.map(({ title, tags }) => [title, tags]))
}

/** The tags and their counts. */
async function countsOf(user: User): Promise<[string, number, number][]> {
  const { data, next_cursor } = await user.listTags()
  t.equal(next_cursor, null)
  return data.map(({ name, task_count, open_task_count }) => [name, task_count, open_task_count])
}

t.test('listTags counts the live tasks with each tag, in the order of code points', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  t.same(await alice.listTags(), { data: [], next_cursor: null })
  await alice.createTask({ title: 'A', tags: ['b', 'B', '\u{1f600}'] })
  const { id } = await alice.createTask({ title: 'B', tags: ['b', '\uffee'], completed: true })
  await alice.createTask({ title: 'C' })
  const deleted = await alice.createTask({ title: 'D', tags: ['b', 'gone'] })
  await alice.deleteTask(deleted.id)
  await bob.createTask({ title: 'E', tags: ['of bob'] })
  t.same(await countsOf(alice), [
    ['B', 1, 1],
    ['b', 2, 1],
    ['\uffee', 1, 0],
    ['\u{1f600}', 1, 1],
  ])
  await alice.deleteTask(id)
  await alice.restoreTask(deleted.id)
  t.same(await countsOf(alice), [
    ['B', 1, 1],
    ['b', 2, 2],
    ['gone', 1, 1],
    ['\u{1f600}', 1, 1],
  ])
})

t.test('pages of tags follow each other by name, whatever is written in between', async t => {
  const alice = await service.newUser()
  const tags = ['a/b', 'b', 'ä', '語']
  const { id } = await alice.createTask({ title: 'T', tags: ['_'] })
  await alice.createTask({ title: 'U', tags })
  const first = await alice.send.listTags({ query: { limit: 2 } })
  t.match(first, { status: 200, body: { data: [{ name: '_' }, { name: 'a/b' }] } })
  const link = first.headers.get('link') as string
  const [, path = ''] = /^<(.+)>; rel="next"$/.exec(link) ?? []
  await alice.updateTask(id, { tags: ['Z', 'ab'] })
  const second = await service.call('GET', path)
  t.match(second.body, { data: [{ name: 'ab' }, { name: 'b' }] })
  const { next_cursor: cursor } = second.body as unknown as { next_cursor: string }
  const last = await alice.send.listTags({ query: { limit: 2, cursor } })
  t.match(last.body, { data: [{ name: 'ä' }, { name: '語' }], next_cursor: null })
  t.equal(last.headers.get('link'), null, 'a page that is full is the last one if nothing follows')
})

t.test('a cursor that no page of tags can have returned returns 400', async t => {
  const alice = await service.newUser()
  for (let count = 0; count < 2; count += 1) await alice.createTask({ title: 'T' })
  const { next_cursor: ofTasks } = await alice.listTasks({ query: { limit: 1 } })
  const encode = (content: unknown) => Buffer.from(JSON.stringify(content)).toString('base64url')
  const contents = [[''], ['a\0'], ['\ud800'], [1], [], ['a', 'b'], 'a', null]
  for (const cursor of [ofTasks as string, '!', 'WyJhIl0=', ...contents.map(encode)]) {
    t.match(await alice.send.listTags({ query: { cursor } }), {
      status: 400,
      body: { errors: [{ in: 'query', name: 'cursor', code: 'wrong_format' }] },
    })
  }
})

t.test('renameTag renames a tag on live tasks, and merges it with one that a task has', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  await alice.createTask({ title: 'A', tags: ['a', 'z'] })
  await alice.createTask({ title: 'B', tags: ['a', 'b', 'c'], completed: true })
  await alice.createTask({ title: 'C', tags: ['b'] })
  const deleted = await alice.createTask({ title: 'D', tags: ['a'] })
  await alice.deleteTask(deleted.id)
  await bob.createTask({ title: 'A', tags: ['a'] })
  const before = (await alice.listTasks()).data
  const { next_sync_token: sync_token } = await alice.listChanges()

  t.same(await alice.renameTag('a', { name: 'b' }), { updated_count: 2, has_more: false })
  t.same(await tagsOf(alice), { A: ['b', 'z'], B: ['b', 'c'], C: ['b'] })
  t.same(await tagsOf(bob), { A: ['a'] })
  const { data, has_more } = await alice.listChanges({ query: { sync_token } })
  t.same(data.map(({ task }) => task?.title).sort(), ['A', 'B'])
  t.same(
    data.map(({ revision }) => revision),
    [6, 7],
    'each task takes a revision',
  )
  t.equal(has_more, false)
  for (const { task } of data) {
    const { updated_at, revision, tags: _, ...others } = task as NonNullable<typeof task>
    const old = before.find(({ id }) => id === others.id)
    t.ok(updated_at >= (old?.updated_at as string) && revision > (old?.revision as number))
    t.match(old, others, 'nothing else changes')
  }
  t.same((await alice.restoreTask(deleted.id)).tags, ['a'], 'a task in the trash keeps its tag')
})

t.test('renaming or deleting a tag that no task has, or giving it the name that it has, changes nothing', async t => {
  const alice = await service.newUser()
  const none = { updated_count: 0, has_more: false }
  t.same(await alice.renameTag('a', { name: 'b' }), none)
  t.same(await alice.deleteTag('a'), none)
  const task = await alice.createTask({ title: 'T', tags: ['a'] })
  t.same(await alice.renameTag('b', { name: 'a' }), none)
  t.same(await alice.renameTag('a', { name: 'a' }), none)
  t.same(await alice.deleteTag('A'), none)
  t.same(await alice.getTask(task.id), task)
})

t.test('deleteTag takes a tag off live tasks, which stay', async t => {
  const alice = await service.newUser()
  await alice.createTask({ title: 'A', tags: ['a'] })
  await alice.createTask({ title: 'B', tags: ['a', 'b'], completed: true })
  const deleted = await alice.createTask({ title: 'C', tags: ['a'] })
  await alice.deleteTask(deleted.id)
  t.same(await alice.deleteTag('a'), { updated_count: 2, has_more: false })
  t.same(await tagsOf(alice), { A: [], B: ['b'] })
  t.same(await countsOf(alice), [['b', 1, 0]])
  t.same((await alice.restoreTask(deleted.id)).tags, ['a'])
  t.equal((await alice.createTask({ title: 'Next' })).revision, 8)
})

t.test('a request with a key is executed once, and the key belongs to its tag', async t => {
  const alice = await service.newUser()
  await alice.createTask({ title: 'A', tags: ['a', 'b'] })
  const header = { 'Idempotency-Key': randomUUID() }
  for (let count = 0; count < 2; count += 1) t.match(await alice.deleteTag('a', { header }), { updated_count: 1 })
  t.match(await alice.send.deleteTag('b', { header }), { status: 422, body: { code: 'idempotency_key_reused' } })
  t.same(await tagsOf(alice), { A: ['b'] })
})

t.test(
  'a rename and a deletion change at most as many tasks as the contract says and report that more remain',
  async t => {
    const most = 5_000
    const paths = parse(contract.yaml.toString()).paths['/api/{user_id}/tags/{tag}']
    const rename = (user: User) => user.renameTag('a', { name: 'b' })
    const writes: [string, (user: User) => ReturnType<typeof rename>][] = [
      [paths.patch.description, rename],
      [paths.delete.description, user => user.deleteTag('a')],
    ]
    for (const [description, write] of writes) {
      t.match(description, `at most ${most.toLocaleString('en')} per request`)
      const alice = await service.newUser()
      await sql`insert into user_clock (user_id, revision) values (${alice.id}, ${most + 1})`.execute(kysely)
      await sql`
      insert into task (user_id, id, title, completed, completed_at, created_at, updated_at, tags, revision)
      select ${alice.id}, gen_random_uuid(), 'T', number % 2 = 0, case when number % 2 = 0 then now() end, now(), now(),
        '{a}', number
      from generate_series(1, ${most + 1}::int) as number`.execute(kysely)
      t.same(await write(alice), { updated_count: most, has_more: true })
      t.same(await write(alice), { updated_count: 1, has_more: false })
      t.match(await alice.listChanges({ query: { limit: 1 } }), { data: [{ revision: most + 2 }] })
      const { rows } = await sql`
      select count(distinct revision), max(revision) from task where user_id = ${alice.id}`.execute(kysely)
      t.same(rows, [{ count: most + 1, max: 2 * (most + 1) }], 'each task takes a revision')
    }
  },
)

t.test(
  'a task whose tag is removed, or which gets another one, while a rename waits for it',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const alice = await service.newUser()
    const [kept, freed] = [
      await alice.createTask({ title: 'kept', tags: ['a'] }),
      await alice.createTask({ title: 'freed', tags: ['a'] }),
    ]
    const target = { userId: alice.id, ifMatch: null, ifNoneMatch: [], now: new Date().toISOString() }
    const first = await kysely.startTransaction().execute()
    await addTag(first, { ...target, id: kept.id, tag: 'new', most: 50 })
    await removeTag(first, { ...target, id: freed.id, tag: 'a' })
    const renaming = alice.renameTag('a', { name: 'z' })
    await untilWaiting(kysely, 'array_replace')
    await first.commit().execute()
    t.same(await renaming, { updated_count: 1, has_more: false })
    t.same(await tagsOf(alice), { kept: ['new', 'z'], freed: [] })
    t.equal((await alice.getTask(freed.id)).revision, 4, 'a task without the tag takes no revision')
  },
)

t.test('renames, deletions and other writes at the same time end without a deadlock or a tag that is left', async t => {
  const alice = await service.newUser()
  const tasks = await Promise.all(Array.from({ length: 30 }, () => alice.createTask({ title: 'T', tags: ['a', 'b'] })))
  await Promise.all([
    alice.renameTag('a', { name: 'c' }),
    alice.renameTag('b', { name: 'd' }),
    ...tasks.map(({ id }) => alice.addTaskTag(id, 'e')),
    alice.deleteTag('x'),
  ])
  t.same(await countsOf(alice), [
    ['c', 30, 30],
    ['d', 30, 30],
    ['e', 30, 30],
  ])
  const revisions = (await alice.listTasks({ query: { limit: 30 } })).data.map(({ revision }) => revision)
  t.equal(new Set(revisions).size, 30)
})
