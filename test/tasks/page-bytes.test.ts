/** Pages end at 1 MiB of text, however many rows they may have. */
import { sql } from 'kysely'
import t from 'tap'
import { type Answer, randomUser, startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create, database } = service

/** The longest description there is: 40,000 bytes of UTF-8. */
const description = '😀'.repeat(10_000)
const COUNT = 60

/** As many large tasks as make three pages; every fifth is completed, every other in the trash if `deleted`. */
async function seed({ deleted = false, text = description } = {}): Promise<string> {
  const user = randomUser()
  await create(user, { title: 'T' })
  await sql`
    insert into task (user_id, id, title, description, completed, completed_at, created_at, updated_at, deleted_at, revision)
    select user_id, gen_random_uuid(), title, ${text}, number % 5 = 0, case when number % 5 = 0 then created_at end,
      created_at + number * interval '1 second', updated_at, ${deleted ? sql`now()` : sql`null`}, 1 + number
    from task, generate_series(1, ${COUNT}) as number where user_id = ${user}`.execute(database.kysely)
  await sql`update user_clock set revision = ${1 + COUNT} where user_id = ${user}`.execute(database.kysely)
  return user
}

const textBytes = (task: { title: string; description: string | null } | null) =>
  task === null ? 0 : Buffer.byteLength(task.title) + Buffer.byteLength(task.description ?? '')
const MEBIBYTE = 1_048_576

/** Follows a list to its end; checks each page's size and returns the ids. */
async function follow(test: typeof t, path: string): Promise<string[][]> {
  const pages: string[][] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body }: Answer = await call('GET', `${path}${cursor && `&cursor=${cursor}`}`)
    test.ok(body.data.reduce((sum: number, task: never) => sum + textBytes(task), 0) <= MEBIBYTE)
    pages.push(body.data.map(({ id }: { id: string }) => id))
    cursor = body.next_cursor
  }
  return pages
}

t.test('a page of large tasks is cut, the next one goes on, and none is left out', async t => {
  const user = await seed()
  for (const sort of ['-created_at', 'created_at', 'title', '-updated_at']) {
    const pages = await follow(t as never, `/api/${user}/tasks?limit=200&sort=${sort}`)
    t.equal(pages.length, 3, `three pages in the order of ${sort}`)
    t.equal(new Set(pages.flat()).size, 1 + COUNT)
    t.equal(pages.flat().length, 1 + COUNT)
  }
  const completed = await follow(t as never, `/api/${user}/tasks?limit=200&completed=false`)
  t.equal(new Set(completed.flat()).size, 49)
})

t.test('so is one of the trash, with the filter on completed and without', async t => {
  const user = await seed({ deleted: true })
  const all = await follow(t as never, `/api/${user}/tasks?limit=200&deleted=true`)
  t.match([all.length, new Set(all.flat()).size], [3, COUNT])
  const some = await follow(t as never, `/api/${user}/tasks?limit=200&deleted=true&completed=false`)
  t.match([some.length, new Set(some.flat()).size], [2, 48])
})

t.test('a page that just fits is not cut', async t => {
  const user = await seed({ text: 'x'.repeat(10_000) })
  const pages = await follow(t as never, `/api/${user}/tasks?limit=200`)
  t.same(
    pages.map(({ length }) => length),
    [1 + COUNT],
  )
})

t.test('changes are cut and go on, too', async t => {
  const user = await seed()
  const revisions: number[] = []
  let responses = 0
  for (let since: string | undefined, more = true; more; responses += 1) {
    const { body }: Answer = await call('GET', `/api/${user}/changes?limit=500${since ? `&since=${since}` : ''}`)
    t.ok(body.data.reduce((sum: number, change: { task: never }) => sum + textBytes(change.task), 0) <= MEBIBYTE)
    revisions.push(...body.data.map(({ revision }: { revision: number }) => revision))
    since = body.next
    more = body.has_more
  }
  t.equal(responses, 3)
  t.same(
    revisions,
    Array.from({ length: 1 + COUNT }, (_, index) => 1 + index),
  )
})
