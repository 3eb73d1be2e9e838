/** Acknowledged writes survive restarts and crashes. */
import t from 'tap'
import type { User } from '../scripts/support/client.ts'
import { environment, startProcess, untilHealthy } from '../scripts/support/process.ts'
import { client, ownDatabase, randomUser, type Task } from '../scripts/support/service.ts'

/** Reads all of a user's tasks, oldest first. */
async function all(user: User): Promise<Task[]> {
  const first = await user.listTasks({ query: { sort: 'created_at.asc', limit: 200 } })
  const tasks = first.data
  for (let cursor = first.next_cursor; cursor !== null; ) {
    const page = await user.listTasks({ query: { limit: 200, cursor } })
    tasks.push(...page.data)
    cursor = page.next_cursor
  }
  return tasks
}

t.test('a restart keeps every task as it was', async t => {
  await using config = await ownDatabase()
  const env = environment(config)
  await using first = await startProcess(env)
  await untilHealthy(first.origin)
  const alice = await client(first.origin).newUser()
  const open = await alice.createTask({ title: 'Open 😀', description: '\u00e9' })
  const { id } = await alice.createTask({ title: 'Done' })
  const done = await alice.setTaskCompletion(id)
  const deleted = await alice.createTask({ title: 'Deleted' })
  await alice.deleteTask(deleted.id)
  t.same(await first.end('SIGTERM'), { code: 0, signal: null })

  await using second = await startProcess(env)
  await untilHealthy(second.origin)
  const later = await client(second.origin).newUser({ id: alice.id })
  t.same(await all(later), [open, done])
  t.equal((await later.createTask({ title: 'Next' })).revision, 6, 'revisions continue')
})

t.test('a kill -9 during writes loses no acknowledged write', async t => {
  await using config = await ownDatabase()
  const env = environment(config)
  const id = randomUser()
  const acknowledged = new Map<string, Task>()

  for (let round = 0; round < 3; round++) {
    await using running = await startProcess(env)
    await untilHealthy(running.origin)
    const alice = await client(running.origin).newUser({ id })
    const enough = Promise.withResolvers<void>()
    const goal = acknowledged.size + 40
    const writer = async () => {
      for (;;) {
        // A write in flight when the process dies may have happened: the request fails, and nothing is acknowledged.
        const task = await alice.createTask({ title: 'Written before the crash' })
        acknowledged.set(task.id, task)
        acknowledged.set(task.id, await alice.setTaskCompletion(task.id))
        if (acknowledged.size >= goal) enough.resolve()
      }
    }
    const writers = Promise.allSettled([writer(), writer(), writer(), writer()])
    const failed = writers.then(results => Promise.reject(new Error('no writer is left', { cause: results })))
    failed.catch(() => undefined)
    await Promise.race([enough.promise, failed])
    t.equal((await running.end('SIGKILL')).signal, 'SIGKILL')
    for (const { reason } of (await writers) as PromiseRejectedResult[])
      t.match(reason.message, /fetch failed|terminated/)
  }

  await using last = await startProcess(env)
  await untilHealthy(last.origin)
  const stored = new Map((await all(await client(last.origin).newUser({ id }))).map(task => [task.id, task]))
  for (const [id, task] of acknowledged) {
    const found = stored.get(id)
    t.ok(found !== undefined && found.revision >= task.revision, `${id} is stored, as acknowledged or newer`)
    if (found?.revision === task.revision) t.same(found, task)
  }
  const revisions = [...stored.values()].map(({ revision }) => revision)
  t.equal(new Set(revisions).size, revisions.length, 'no revision was used twice')
})

t.test('user journey: a day with a list, across a restart', async t => {
  await using config = await ownDatabase()
  const env = environment(config)
  const id = 'auth0|journey@example.org'
  await using morning = await startProcess(env)
  await untilHealthy(morning.origin)
  const alice = await client(morning.origin).newUser({ id })

  t.same(await alice.listTasks(), { data: [], next_cursor: null }, 'the list is empty at first')
  const created = async (body: { title: string; description?: string }) => {
    const answer = await alice.send.createTask(body)
    t.match([answer.status, answer.body], [201, body])
    const { id } = answer.body as Task
    t.equal(answer.headers.get('location'), alice.path('getTask', id))
    return id
  }
  const plan = await created({ title: 'Plan the trip', description: 'Trains, not planes' })
  const book = await created({ title: 'Book a hotel' })
  const spam = await created({ title: 'Oops' })

  t.equal((await alice.send.deleteTask(spam)).status, 204)
  t.equal((await alice.updateTask(plan, { description: null })).description, null)
  const hotels = { title: 'Book two hotels', description: 'Vienna', completed: false }
  t.equal((await alice.send.replaceTask(book, hotels)).status, 200)
  t.equal((await alice.setTaskCompletion(plan, { completed: true })).completed, true)
  await morning.end('SIGTERM')

  await using evening = await startProcess(env)
  await untilHealthy(evening.origin)
  const later = await client(evening.origin).newUser({ id })
  const titles = async (completed: boolean) =>
    (await later.listTasks({ query: { completed } })).data.map(({ title }) => title)
  t.same(await titles(false), ['Book two hotels'])
  t.same(await titles(true), ['Plan the trip'])
  t.equal((await later.setTaskCompletion(plan)).completed, false, 'the trip is open again')
  t.equal((await later.send.getTask(spam)).status, 404)
})
