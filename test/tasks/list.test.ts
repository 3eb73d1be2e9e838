/** listTasks: order, filter, pages */
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { type Answer, randomUser, startService, type Task } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create } = service

const titles = ({ body }: Answer) => body.data.map((task: Task) => task.title)

/** Follows Link headers from `path` to the last page. */
async function pages(path: string): Promise<Answer[]> {
  const seen: Answer[] = []
  for (let next: string | undefined = path; next !== undefined; ) {
    const answer = await call('GET', next)
    seen.push(answer)
    next = answer.headers.get('link')?.match(/^<(.+)>; rel="next"$/)?.[1]
  }
  return seen
}

t.test('a user without tasks has an empty list', async t => {
  const { status, body, headers } = await call('GET', `/api/${randomUser()}/tasks`)
  t.equal(status, 200)
  t.same(body, { data: [], next_cursor: null })
  t.equal(headers.get('link'), null)
})

t.test('every order', async t => {
  const user = randomUser()
  const tasks = []
  for (const title of ['b', 'C', 'a', 'é', '😀']) tasks.push(await create(user, { title }))
  const last = tasks.at(-1)?.updated_at as string
  while (new Date().toISOString() <= last) await setImmediate()
  await call('PATCH', `/api/${user}/tasks/${tasks[0]?.id}`, { description: 'touched last' })
  const list = async (query: string) => titles(await call('GET', `/api/${user}/tasks${query}`))

  t.same(await list('?sort=created_at'), ['b', 'C', 'a', 'é', '😀'])
  t.same(await list(''), ['😀', 'é', 'a', 'C', 'b'], 'the newest first, unless told otherwise')
  t.same(await list('?sort=-created_at'), await list(''))
  t.same(await list('?sort=updated_at'), ['C', 'a', 'é', '😀', 'b'])
  t.same(await list('?sort=-updated_at'), ['b', '😀', 'é', 'a', 'C'])
  t.same(await list('?sort=title'), ['C', 'a', 'b', 'é', '😀'], 'by code point')
  t.same(await list('?sort=-title'), ['😀', 'é', 'b', 'a', 'C'])
})

t.test('pages end where the tasks end', async t => {
  const user = randomUser()
  for (let index = 0; index < 6; index++) await create(user, { title: `${index}`, completed: index % 2 === 0 })
  const path = `/api/${user}/tasks`
  t.same((await pages(`${path}?sort=title&limit=4`)).map(titles), [
    ['0', '1', '2', '3'],
    ['4', '5'],
  ])
  t.same(
    (await pages(`${path}?sort=title&limit=3`)).map(titles),
    [
      ['0', '1', '2'],
      ['3', '4', '5'],
    ],
    'no empty last page',
  )
  t.same((await pages(`${path}?sort=-title&limit=2&completed=true`)).map(titles), [['4', '2'], ['0']])
  t.same((await pages(`${path}?limit=6`)).length, 1)
})

t.test('next_cursor and Link lead to the same page', async t => {
  const user = randomUser()
  for (const title of ['a', 'b', 'c']) await create(user, { title })
  const first = await call('GET', `/api/${user}/tasks?limit=1&sort=title`)
  const byCursor = await call('GET', `/api/${user}/tasks?limit=1&sort=title&cursor=${first.body.next_cursor}`)
  t.same(titles(byCursor), ['b'])
  t.match(first.headers.get('link'), `cursor=${first.body.next_cursor}`)
  const withoutSort = await call('GET', `/api/${user}/tasks?limit=1&cursor=${first.body.next_cursor}`)
  t.same(withoutSort.body, byCursor.body, 'the cursor knows its order')
  const otherSort = await call('GET', `/api/${user}/tasks?limit=1&sort=-updated_at&cursor=${first.body.next_cursor}`)
  t.same(otherSort.body, byCursor.body, 'and keeps it')
})

t.test('the page size: 50 unless told otherwise, 1 to 200, never cut in silence', async t => {
  const user = randomUser()
  await Promise.all(Array.from({ length: 201 }, () => create(user)))
  const size = async (query: string) => (await call('GET', `/api/${user}/tasks${query}`)).body.data.length
  t.equal(await size(''), 50)
  t.equal(await size('?limit=200'), 200)
  t.equal(await size('?limit=1'), 1)
  for (const limit of ['0', '201', '-1', '1e1', '0x10', '1.0', '010', '', 'all', '99999999999999999999']) {
    t.equal((await call('GET', `/api/${user}/tasks?limit=${limit}`)).status, 400, `limit=${limit}`)
  }
})

t.test('tasks with equal keys are all there, in one order', async t => {
  const user = randomUser()
  const tasks = await Promise.all(Array.from({ length: 12 }, () => create(user, { title: 'same' })))
  const ids = tasks.map(({ id }) => id).sort()
  const seen = async (sort: string) =>
    (await pages(`/api/${user}/tasks?sort=${sort}&limit=5`)).flatMap(({ body }) =>
      body.data.map((task: Task) => task.id),
    )
  t.same(await seen('title'), ids)
  t.same(await seen('-title'), ids.toReversed())
})

t.test('pages end at ids of no UUID version, too', async t => {
  const user = randomUser()
  const ids = [
    '00000000-0000-0000-0000-000000000000',
    '12345678-1234-0234-0234-123456789012',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
  ]
  for (const id of ids) await create(user, { id, title: 'same' })
  const seen = await pages(`/api/${user}/tasks?sort=title&limit=1`)
  t.same(
    seen.map(({ body }) => body.data[0].id),
    ids,
  )
})

t.test('a cursor works although its task is gone', async t => {
  const user = randomUser()
  for (const title of ['a', 'b', 'c']) await create(user, { title })
  const { body } = await call('GET', `/api/${user}/tasks?limit=2&sort=title`)
  await call('DELETE', `/api/${user}/tasks/${body.data[1].id}`)
  t.same(titles(await call('GET', `/api/${user}/tasks?cursor=${body.next_cursor}`)), ['c'])
})

/** A cursor of this content, well-formed or not. */
const cursorOf = (content: unknown) =>
  Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)).toString('base64url')

t.test('a cursor that no page returned is 400', async t => {
  const user = randomUser()
  const { id, created_at } = await create(user)
  const get = (cursor: string, query = '') =>
    call('GET', `/api/${user}/tasks?cursor=${encodeURIComponent(cursor)}${query}`)
  t.equal((await get(cursorOf(['-created_at', created_at, id]))).status, 200)
  t.equal((await get(cursorOf(['title', 'T', id]))).status, 200)
  const refused: unknown[] = [
    'not JSON',
    '{}',
    [],
    ['created_at', created_at],
    ['created_at', created_at, 'not an id'],
    ['created_at', created_at, 1],
    ['created_at', 'yesterday', id],
    ['created_at', '2026-02-30T00:00:00.000Z', id],
    ['created_at', '0000-01-01T00:00:00.000Z', id],
    ['created_at', '2026-11-23T09:00:00Z', id],
    ['created_at', null, id],
    ['created_at', 'infinity', id],
    ['title', null, id],
    ['title', '', id],
    ['title', 'T', id, 'more'],
    ` ["title", "T", "${id}"]`,
    ['title', 'a\0', id],
    ['title', '\ud800', id],
    ['constructor', created_at, id],
    ['deleted_at', created_at, id],
    ['--created_at', created_at, id],
    [1, created_at, id],
    ['-deleted_at', created_at, id],
  ]
  for (const content of refused) {
    const { status, body } = await get(cursorOf(content))
    const errors = [{ in: 'query', name: 'cursor', code: 'wrong_format' }]
    t.match([status, body], [400, { code: 'validation_failed', errors }], JSON.stringify(content))
  }
  for (const cursor of ['', '=', 'a b', 'é', 'A'.repeat(2201)]) {
    t.equal((await get(cursor)).status, 400, cursor.slice(0, 40))
  }
  t.equal((await get(cursorOf(['-deleted_at', created_at, id]), '&deleted=true')).status, 200)
  t.equal((await get(cursorOf(['-created_at', created_at, id]), '&deleted=true')).status, 400)
})

t.test('the longest title fits into a cursor', async t => {
  const user = randomUser()
  // Four bytes each, and the last one is before nothing but the end of the order.
  const title = '\u{10ffff}'.repeat(255)
  await create(user, { title })
  await create(user, { title })
  const both = await pages(`/api/${user}/tasks?sort=-title&limit=1`)
  t.same(both.map(titles), [[title], [title]])
})
