/** A tour of the service with the client that @hey-api/openapi-ts generates. */
import assert from 'node:assert/strict'
import { createClient } from './tasks/client/index.js'
import {
  batchTasks,
  type Change,
  createTask,
  getTask,
  listChanges,
  listTasks,
  type Task,
  updateTask,
} from './tasks/index.js'

const { TASKS_URL = '', TASKS_TOKEN = '', TASKS_USER = '', FUTURE_URL = '' } = process.env
const client = createClient({ baseUrl: TASKS_URL, auth: TASKS_TOKEN })
const path = { user_id: TASKS_USER }
const missing = { ...path, id: '01a19b7c-a680-7bde-9be2-8c463465bc89' }

/** All tasks, two per page. */
async function allTasks(from = client): Promise<Task[]> {
  const page = (cursor?: string) => listTasks({ client: from, path, query: { limit: 2, cursor } })
  const tasks: Task[] = []
  let cursor: string | undefined
  do {
    const { data, error } = await page(cursor)
    if (data === undefined) throw new Error(error.detail)
    tasks.push(...data.data)
    cursor = data.next_cursor ?? undefined
  } while (cursor !== undefined)
  return tasks
}

/** The changes since a sync token, two per page, and the next token. */
async function changesSince(token?: string, from = client): Promise<{ changes: Change[]; token: string }> {
  const changes: Change[] = []
  for (;;) {
    const { data, error } = await listChanges({ client: from, path, query: { limit: 2, sync_token: token } })
    if (data === undefined) throw new Error(error.detail)
    changes.push(...data.data)
    token = data.next_sync_token
    if (!data.has_more) return { changes, token }
  }
}

const titles = ['one', 'two', 'three', 'four', 'five']
const created: Task[] = []
for (const title of titles) {
  const { data, error } = await createTask({ client, path, body: { title } })
  if (data === undefined) throw new Error(error.detail)
  created.push(data)
}
const [first, second] = created as [Task, Task]
assert.equal(first.user_id, TASKS_USER)
assert.equal(first.description, null)
assert.deepEqual((await allTasks()).map(({ title }) => title).sort(), titles.toSorted())
const snapshot = await changesSince()
assert.equal(snapshot.changes.length, titles.length)

// Only one of two writes with the same revision succeeds.
const change = { client, path: { ...path, id: first.id }, headers: { 'If-Match': `"${first.revision}"` } }
const updated = await updateTask({ ...change, body: { description: 'Changed' } })
assert.equal(updated.data?.description, 'Changed')
assert.equal(updated.response?.headers.get('etag'), `"${updated.data.revision}"`)
const outdated = await updateTask({ ...change, body: { description: null } })
assert.equal(outdated.response?.status, 412)
assert.equal(outdated.error?.code, 'precondition_failed')
const cleared = await updateTask({ client, path: change.path, body: { description: null } })
assert.equal(cleared.data?.description, null)

// The retry gets the response of the first request.
const keyed = { client, path, headers: { 'Idempotency-Key': crypto.randomUUID() }, body: { title: 'Once' } }
const sent = await createTask(keyed)
const retried = await createTask(keyed)
assert.equal(retried.data?.id, sent.data?.id)
assert.equal(sent.response?.headers.get('idempotent-replayed'), null)
assert.equal(retried.response?.headers.get('idempotent-replayed'), 'true')

const batch = await batchTasks({
  client,
  path,
  body: {
    items: [
      { action: 'create', task: { title: 'From a batch' } },
      { action: 'complete', id: second.id, completed: true },
    ],
  },
})
assert.equal(batch.data?.items[0]?.task?.title, 'From a batch')
assert.equal(batch.data?.items[1]?.task?.completed, true)

const { changes } = await changesSince(snapshot.token)
assert.deepEqual(
  changes.map(({ kind, task }) => `${kind} ${task?.title}`),
  ['task one', 'task Once', 'task From a batch', 'task two'],
)

// A date comes back as it was sent, and a patch of one part keeps the others.
const due = { date: '2027-03-28', time: '02:30', time_zone: 'Europe/Berlin' }
const start = { date: '2027-03-01' }
const dated = await createTask({
  client,
  path,
  body: { title: 'Dated', due, start, priority: 'high', tags: ['errands', 'home'] },
})
assert.ok(dated.data)
const datedPath = { ...path, id: dated.data.id }
const read = await getTask({ client, path: datedPath })
assert.deepEqual(read.data?.due, { ...due, at: '2027-03-28T01:30:00.000Z' })
assert.deepEqual(read.data?.start, { ...start, time: null, time_zone: null, at: null })
const moved = await updateTask({ client, path: datedPath, body: { due: { date: '2027-03-29' } } })
assert.deepEqual(moved.data?.due, { ...due, date: '2027-03-29', at: '2027-03-29T00:30:00.000Z' })
const undated = await updateTask({ client, path: datedPath, body: { due: null } })
assert.equal(undated.data?.due, null)
assert.deepEqual(undated.data?.start, read.data?.start)
const found = await listTasks({ client, path, query: { tag: ['errands', 'home'], priority: ['high', 'urgent'] } })
assert.deepEqual(
  found.data?.data.map(({ id }) => id),
  [dated.data.id],
)

const unknown = await getTask({ client, path: missing })
assert.equal(unknown.response?.status, 404)
assert.equal(unknown.error?.code, 'task_not_found')
const invalid = await createTask({ client, path, body: { title: '' } })
assert.equal(invalid.response?.status, 400)
assert.deepEqual(
  invalid.error?.errors?.map(({ in: part, pointer, code }) => ({ part, pointer, code })),
  [{ part: 'body', pointer: '/title', code: 'too_short' }],
)

// A later version of the service.
const future = createClient({ baseUrl: FUTURE_URL, auth: TASKS_TOKEN })
assert.equal((await allTasks(future)).filter(task => 'added_later' in task).length, titles.length + 3)
const later = await getTask({ client: future, path: missing })
assert.equal(later.response?.status, 404)
assert.equal(later.error?.code, 'added_later')
const rejected = await createTask({ client: future, path, body: { title: '' } })
assert.equal(rejected.response?.status, 400)
assert.deepEqual(
  rejected.error?.errors?.map(error => [error.in, error.code, 'added_later' in error]),
  [
    ['added_later', 'added_later', true],
    ['body', 'too_short', true],
  ],
)
const ahead = await changesSince(undefined, future)
const known = ahead.changes.filter(({ kind }) => kind === 'task')
assert.equal(known.length, titles.length + 3)
assert.ok(ahead.changes.some(({ kind }) => kind === 'added_later'))
