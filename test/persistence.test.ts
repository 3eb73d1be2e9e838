/** Tasks survive restarts, crashes and deployments: what was acknowledged is there afterwards. */
import t from 'tap'
import { environment, type ServiceProcess, startProcess, untilHealthy } from '../scripts/support/process.ts'
import { client, ownDatabase, randomUser, type Task } from '../scripts/support/service.ts'

/** Reads all of a user's tasks, oldest first. */
async function all(running: ServiceProcess, user: string): Promise<Task[]> {
  const { call } = client(running.origin)
  const tasks: Task[] = []
  for (let query: string | null = 'sort=created_at&limit=200'; query !== null; ) {
    const { body } = await call('GET', `/api/${user}/tasks?${query}`)
    tasks.push(...body.data)
    query = body.next_cursor && `limit=200&cursor=${body.next_cursor}`
  }
  return tasks
}

t.test('a restart keeps every task as it was', async t => {
  const env = environment(await ownDatabase(t))
  const user = randomUser()
  await using first = await startProcess(env)
  await untilHealthy(first.origin)
  const { create, call } = client(first.origin)
  const open = await create(user, { title: 'Open 😀', description: '\u00e9' })
  const { id } = await create(user, { title: 'Done' })
  const { body: done } = await call('PATCH', `/api/${user}/tasks/${id}/complete`)
  const { id: deleted } = await create(user, { title: 'Deleted' })
  await call('DELETE', `/api/${user}/tasks/${deleted}`)
  t.same(await first.end('SIGTERM'), { code: 0, signal: null })

  await using second = await startProcess(env)
  await untilHealthy(second.origin)
  t.same(await all(second, user), [open, done])
  t.equal((await client(second.origin).create(user)).revision, 6, 'the numbering goes on')
})

t.test('kill -9 in the middle of writing loses nothing that was acknowledged', async t => {
  const env = environment(await ownDatabase(t))
  const user = randomUser()
  const acknowledged = new Map<string, Task>()

  for (let round = 0; round < 3; round++) {
    await using running = await startProcess(env)
    await untilHealthy(running.origin)
    const { origin } = running
    // What is under way when the process dies may or may not have happened: fetch fails, and nothing is acknowledged.
    const write = async (path: string, method: string, body?: string): Promise<Task> => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' }
      const response = await fetch(origin + path, { method, headers, body: body ?? null })
      const task = (await response.json()) as Task
      if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}`)
      acknowledged.set(task.id, task)
      return task
    }
    const enough = Promise.withResolvers<void>()
    const goal = acknowledged.size + 40
    const writer = async () => {
      for (;;) {
        const { id } = await write(`/api/${user}/tasks`, 'POST', '{"title":"Written under fire"}')
        await write(`/api/${user}/tasks/${id}/complete`, 'PATCH')
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
  const stored = new Map((await all(last, user)).map(task => [task.id, task]))
  for (const [id, task] of acknowledged) {
    const found = stored.get(id)
    t.ok(found !== undefined && found.revision >= task.revision, `${id} is there, as acknowledged or newer`)
    if (found?.revision === task.revision) t.same(found, task)
  }
  const revisions = [...stored.values()].map(({ revision }) => revision)
  t.equal(new Set(revisions).size, revisions.length, 'no number was given twice')
})

t.test('user journey: a day with a list, over a restart', async t => {
  const env = environment(await ownDatabase(t))
  const user = 'auth0|journey@example.org'
  const path = `/api/${encodeURIComponent(user)}/tasks`
  await using morning = await startProcess(env)
  await untilHealthy(morning.origin)
  const { call } = client(morning.origin)

  t.same((await call('GET', path)).body, { data: [], next_cursor: null }, 'an empty list to begin with')
  const plan = await call('POST', path, { title: 'Plan the trip', description: 'Trains, not planes' })
  const book = await call('POST', path, { title: 'Book a hotel' })
  const spam = await call('POST', path, { title: 'Oops' })
  t.same([plan.status, book.status, spam.status], [201, 201, 201])
  const location = (answer: typeof plan) => answer.headers.get('location') as string

  t.equal((await call('DELETE', location(spam))).status, 204)
  t.equal((await call('PATCH', location(plan), { description: null })).body.description, null)
  t.equal(
    (await call('PUT', location(book), { title: 'Book two hotels', description: 'Vienna', completed: false })).status,
    200,
  )
  t.equal((await call('PATCH', `${location(plan)}/complete`, { completed: true })).body.completed, true)
  await morning.end('SIGTERM')

  await using evening = await startProcess(env)
  await untilHealthy(evening.origin)
  const later = client(evening.origin)
  const open = await later.call('GET', `${path}?completed=false`)
  t.same(
    open.body.data.map(({ title }: Task) => title),
    ['Book two hotels'],
  )
  const done = await later.call('GET', `${path}?completed=true`)
  t.same(
    done.body.data.map(({ title }: Task) => title),
    ['Plan the trip'],
  )
  t.equal((await later.call('PATCH', `${location(plan)}/complete`)).body.completed, false, 'not done after all')
  t.equal((await later.call('GET', location(spam))).status, 404)
})
