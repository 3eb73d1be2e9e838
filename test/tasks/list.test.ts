/** listTasks: order, filter, pages */
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { invalid, type User } from '../../scripts/support/client.ts'
import { startService, type Task } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

type Query = NonNullable<NonNullable<Parameters<User['listTasks']>[0]>['query']>

const titlesOf = (tasks: Task[]) => tasks.map(({ title }) => title)

/** The titles of one page. */
const titles = async (user: User, query: Query = {}) => titlesOf((await user.listTasks({ query })).data)

/** Creates a task for each title, one after another. */
async function createTasks(user: User, ...titles: string[]): Promise<Task[]> {
  const tasks = []
  for (const title of titles) tasks.push(await user.createTask({ title }))
  return tasks
}

/** The target of the Link header with rel="next". */
const nextOf = (headers: Headers) => headers.get('link')?.match(/^<(.+)>; rel="next"$/)?.[1]

/** The tasks of each page from the first to the last, as the Link headers lead there. */
async function pages(user: User, query: Query): Promise<Task[][]> {
  const seen: Task[][] = []
  let path: string | undefined = user.path('listTasks', '', query)
  while (path !== undefined) {
    const link: URL = new URL(path, service.origin)
    const response = await user.send.listTasks({ query: invalid(Object.fromEntries(link.searchParams)) })
    if (response.status !== 200 || link.pathname !== user.path('listTasks')) throw new Error(`GET ${path} failed`)
    seen.push(response.body.data)
    path = nextOf(response.headers)
  }
  return seen
}

t.test('GET without any tasks returns an empty page', async t => {
  const alice = await service.newUser()
  const { status, body, headers } = await alice.send.listTasks()
  t.same([status, body, headers.get('link')], [200, { data: [], next_cursor: null }, null])
})

t.test('GET returns the tasks in every order that sort names', async t => {
  const alice = await service.newUser()
  const tasks = await createTasks(alice, 'b', 'C', 'a', 'é', '😀')
  const last = tasks.at(-1)?.updated_at as string
  while (new Date().toISOString() <= last) await setImmediate()
  await alice.updateTask(tasks[0]?.id as string, { description: 'touched last' })

  t.same(await titles(alice, { sort: 'created_at.asc' }), ['b', 'C', 'a', 'é', '😀'])
  t.same(await titles(alice), ['😀', 'é', 'a', 'C', 'b'], 'newest first by default')
  t.same(await titles(alice, { sort: 'created_at.desc' }), await titles(alice))
  t.same(await titles(alice, { sort: 'updated_at.asc' }), ['C', 'a', 'é', '😀', 'b'])
  t.same(await titles(alice, { sort: 'updated_at.desc' }), ['b', '😀', 'é', 'a', 'C'])
  t.same(await titles(alice, { sort: 'title.asc' }), ['C', 'a', 'b', 'é', '😀'], 'by code point')
  t.same(await titles(alice, { sort: 'title.desc' }), ['😀', 'é', 'b', 'a', 'C'])
})

t.test('GET with limit returns pages; the last page is never empty', async t => {
  const alice = await service.newUser()
  for (let index = 0; index < 6; index++) await alice.createTask({ title: `${index}`, completed: index % 2 === 0 })
  const pagesOf = async (query: Query) => (await pages(alice, query)).map(titlesOf)
  t.same(await pagesOf({ sort: 'title.asc', limit: 4 }), [
    ['0', '1', '2', '3'],
    ['4', '5'],
  ])
  t.same(await pagesOf({ sort: 'title.asc', limit: 3 }), [
    ['0', '1', '2'],
    ['3', '4', '5'],
  ])
  t.same(await pagesOf({ sort: 'title.desc', limit: 2, completed: true }), [['4', '2'], ['0']])
  t.equal((await pagesOf({ limit: 6 })).length, 1)
})

t.test('next_cursor and Link lead to the same page; another order than the cursor’s is 400', async t => {
  const alice = await service.newUser()
  await createTasks(alice, 'a', 'b', 'c')
  const { status, body, headers } = await alice.send.listTasks({ query: { limit: 1, sort: 'title.asc' } })
  if (status !== 200) throw new Error(`${status}`)
  const cursor = body.next_cursor as string
  const second = await alice.listTasks({ query: { limit: 1, sort: 'title.asc', cursor } })
  t.same(titlesOf(second.data), ['b'])
  t.match(nextOf(headers), `cursor=${cursor}`)
  t.same(await alice.listTasks({ query: { limit: 1, cursor } }), second, 'the cursor contains its order')
  const other = await alice.send.listTasks({ query: { limit: 1, sort: 'updated_at.desc', cursor } })
  const errors = [
    { in: 'query', name: 'sort', code: 'not_a_choice', detail: 'must be absent or the order of the cursor' },
  ]
  t.match(other, { status: 400, body: { errors } })
})

t.test('GET takes a limit from 1 to 500, 50 by default; any other limit returns 400', async t => {
  const alice = await service.newUser()
  const item = { action: 'create', task: { title: 'T' } } as const
  for (let count = 0; count < 6; count += 1) await alice.batchTasks({ items: Array(100).fill(item) })
  const size = async (query: Query) => (await alice.listTasks({ query })).data.length
  t.equal(await size({}), 50)
  t.equal(await size({ limit: 500 }), 500)
  t.equal(await size({ limit: 1 }), 1)
  for (const limit of ['0', '501', '-1', '1e1', '0x10', '1.0', '010', '', 'all', '99999999999999999999']) {
    t.equal((await alice.send.listTasks({ query: invalid({ limit }) })).status, 400, `limit=${limit}`)
  }
})

t.test('tasks with equal sort keys are ordered by id across pages', async t => {
  const alice = await service.newUser()
  const tasks = await Promise.all(Array.from({ length: 12 }, () => alice.createTask({ title: 'same' })))
  const ids = tasks.map(({ id }) => id).sort()
  const seen = async (sort: 'title.asc' | 'title.desc') =>
    (await pages(alice, { sort, limit: 5 })).flat().map(({ id }) => id)
  t.same(await seen('title.asc'), ids)
  t.same(await seen('title.desc'), ids.toReversed())
})

t.test('paging continues after ids that have no valid UUID version', async t => {
  const alice = await service.newUser()
  const ids = [
    '00000000-0000-0000-0000-000000000000',
    '12345678-1234-0234-0234-123456789012',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
  ]
  for (const id of ids) await alice.createTask({ id, title: 'same' })
  const seen = await pages(alice, { sort: 'title.asc', limit: 1 })
  t.same(
    seen.map(([task]) => task?.id),
    ids,
  )
})

t.test('a cursor still works after its task was deleted', async t => {
  const alice = await service.newUser()
  await createTasks(alice, 'a', 'b', 'c')
  const { data, next_cursor } = await alice.listTasks({ query: { limit: 2, sort: 'title.asc' } })
  await alice.deleteTask(data[1]?.id as string)
  t.same(await titles(alice, { cursor: next_cursor as string }), ['c'])
})

/** A cursor of this content, well-formed or not. */
const cursorOf = (content: unknown) =>
  Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)).toString('base64url')

t.test('GET with a cursor that no page returned returns 400', async t => {
  const alice = await service.newUser()
  const { id, created_at } = await alice.createTask({ title: 'T' })
  const get = (cursor: string, query: Query = {}) => alice.send.listTasks({ query: { cursor, ...query } })
  t.equal((await get(cursorOf(['created_at.desc', created_at, id]))).status, 200)
  t.equal((await get(cursorOf(['title.asc', 'T', id]))).status, 200)
  const refused: unknown[] = [
    'not JSON',
    '{}',
    [],
    ['created_at.asc', created_at],
    ['created_at.asc', created_at, 'not an id'],
    ['created_at.asc', created_at, 1],
    ['created_at.asc', 'yesterday', id],
    ['created_at.asc', '2026-02-30T00:00:00.000Z', id],
    ['created_at.asc', '0000-01-01T00:00:00.000Z', id],
    ['created_at.asc', '2026-11-23T09:00:00Z', id],
    ['created_at.asc', null, id],
    ['created_at.asc', 'infinity', id],
    ['title.asc', null, id],
    ['title.asc', '', id],
    ['title.asc', 'T', id, 'more'],
    ` ["title.asc", "T", "${id}"]`,
    ['title.asc', 'a\0', id],
    ['title.asc', '\ud800', id],
    ['constructor', created_at, id],
    ['deleted_at.asc', created_at, id],
    ['created_at', created_at, id],
    ['-created_at', created_at, id],
    [1, created_at, id],
    ['deleted_at.desc', created_at, id],
  ]
  for (const content of refused) {
    const { status, body } = await get(cursorOf(content))
    const errors = [{ in: 'query', name: 'cursor', code: 'wrong_format' }]
    t.match([status, body], [400, { code: 'validation_failed', errors }], JSON.stringify(content))
  }
  for (const cursor of ['', '=', 'a b', 'é', 'A'.repeat(2201)]) {
    t.equal((await get(cursor)).status, 400, cursor.slice(0, 40))
  }
  t.equal((await get(cursorOf(['deleted_at.desc', created_at, id]), { deleted: true })).status, 200)
  t.equal((await get(cursorOf(['created_at.desc', created_at, id]), { deleted: true })).status, 400)
})

t.test('the longest title fits into a cursor', async t => {
  const alice = await service.newUser()
  // Four bytes each, and the last code point of the order.
  const title = '\u{10ffff}'.repeat(255)
  await createTasks(alice, title, title)
  t.same((await pages(alice, { sort: 'title.desc', limit: 1 })).map(titlesOf), [[title], [title]])
})
