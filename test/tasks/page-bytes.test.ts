/** A page holds at most 1 MiB of text, whatever its limit on rows. */
import { sql } from 'kysely'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { startService, type Task } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

type Query = NonNullable<NonNullable<Parameters<User['listTasks']>[0]>['query']>

/** The longest description there is: 40,000 bytes of UTF-8. */
const description = '😀'.repeat(10_000)
const COUNT = 60
const MEBIBYTE = 1_048_576

/**
 * A user with enough large tasks for three pages. Every fifth one is completed; with `deleted`, all of them are in the
 * trash.
 */
async function seed({ deleted = false, text = description } = {}): Promise<User> {
  const user = await service.newUser()
  await user.createTask({ title: 'T' })
  await sql`
    insert into task (user_id, id, title, description, completed, completed_at,
      created_at, updated_at, deleted_at, revision)
    select user_id, gen_random_uuid(), title, ${text}, number % 5 = 0, case when number % 5 = 0 then created_at end,
      created_at + number * interval '1 second', updated_at, ${deleted ? sql`now()` : sql`null`}, 1 + number
    from task, generate_series(1, ${COUNT}) as number where user_id = ${user.id}`.execute(kysely)
  await sql`update user_clock set revision = ${1 + COUNT} where user_id = ${user.id}`.execute(kysely)
  return user
}

const textBytes = (task: Task | null) =>
  task === null ? 0 : Buffer.byteLength(task.title) + Buffer.byteLength(task.description ?? '')

/** Whether the tasks have as little text as a page must have. */
const fits = (tasks: (Task | null)[]) => tasks.reduce((sum, task) => sum + textBytes(task), 0) <= MEBIBYTE

/** The pages of a list, from the first to the last. */
async function pagesOf(user: User, query: Query): Promise<Task[][]> {
  const pages: Task[][] = []
  for (let next: { cursor?: string } | null = {}; next !== null; ) {
    const page: Awaited<ReturnType<User['listTasks']>> = await user.listTasks({ query: { ...query, ...next } })
    pages.push(page.data)
    next = page.next_cursor === null ? null : { cursor: page.next_cursor }
  }
  return pages
}

const idsOf = (pages: Task[][]) => pages.flat().map(({ id }) => id)

t.test('listTasks ends a page of large tasks early and continues without leaving one out', async t => {
  const alice = await seed()
  for (const sort of ['created_at.desc', 'created_at.asc', 'title.asc', 'updated_at.desc'] as const) {
    const pages = await pagesOf(alice, { limit: 200, sort })
    t.ok(pages.every(fits))
    t.equal(pages.length, 3, `three pages in the order of ${sort}`)
    t.equal(new Set(idsOf(pages)).size, 1 + COUNT)
    t.equal(idsOf(pages).length, 1 + COUNT)
  }
  const open = await pagesOf(alice, { limit: 200, completed: false })
  t.ok(open.every(fits))
  t.equal(new Set(idsOf(open)).size, 49)
})

t.test('listTasks ends a page of the trash early, with and without a filter', async t => {
  const alice = await seed({ deleted: true })
  const all = await pagesOf(alice, { limit: 200, deleted: true })
  t.ok(all.every(fits))
  t.match([all.length, new Set(idsOf(all)).size], [3, COUNT])
  const open = await pagesOf(alice, { limit: 200, deleted: true, completed: false })
  t.ok(open.every(fits))
  t.match([open.length, new Set(idsOf(open)).size], [2, 48])
})

t.test('listTasks returns a page that just fits as a whole', async t => {
  const alice = await seed({ text: 'x'.repeat(10_000) })
  const pages = await pagesOf(alice, { limit: 200 })
  t.ok(pages.every(fits))
  t.same(
    pages.map(({ length }) => length),
    [1 + COUNT],
  )
})

t.test('listChanges ends a page of large tasks early and continues without leaving a change out', async t => {
  const alice = await seed()
  const revisions: number[] = []
  let responses = 0
  for (let next: { sync_token?: string } | null = {}; next !== null; responses += 1) {
    const page: Awaited<ReturnType<User['listChanges']>> = await alice.listChanges({ query: { limit: 500, ...next } })
    t.ok(fits(page.data.map(({ task }) => task)))
    revisions.push(...page.data.map(({ revision }) => revision))
    next = page.has_more ? { sync_token: page.next_sync_token } : null
  }
  t.equal(responses, 3)
  t.same(
    revisions,
    Array.from({ length: 1 + COUNT }, (_, index) => 1 + index),
  )
})
