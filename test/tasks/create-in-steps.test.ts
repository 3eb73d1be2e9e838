/** On a database with Citus a task is created in two statements. Every PostgreSQL can execute them. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startService } from '../../scripts/support/service.ts'
import { setCitus } from '../../src/database/citus.ts'

const TASKS = 3

const service = await startService({ quotas: { tasks: TASKS, tombstones: 1_000, keyBytes: 1_000_000 } })
t.teardown(() => service[Symbol.asyncDispose]())
setCitus(service.database.kysely, true)

const keyed = () => ({ header: { 'Idempotency-Key': randomUUID() } })

t.test('a task is created as in one statement', async t => {
  const alice = await service.newUser()
  const first = await alice.createTask({ title: 'T', description: 'D' })
  t.match(first, { title: 'T', description: 'D', completed: false, completed_at: null, revision: 1 })
  const second = await alice.createTask({ title: 'U', completed: true }, keyed())
  t.match(second, { completed: true, completed_at: second.created_at, revision: 2 })
  t.same(await alice.getTask(second.id), second)
})

t.test('a refused task takes neither a revision nor a place in the quota', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  for (const options of [{}, keyed()]) {
    const refused = await alice.send.createTask({ id, title: 'U' }, options)
    t.match(refused, { status: 409, body: { code: 'id_taken' } })
  }
  const others = [await alice.createTask({ title: 'V' }), await alice.createTask({ title: 'W' }, keyed())]
  t.same(
    others.map(({ revision }) => revision),
    [2, 3],
  )
  for (const options of [{}, keyed()]) {
    const refused = await alice.send.createTask({ title: 'X' }, options)
    t.match(refused, { status: 409, body: { code: 'quota_exceeded' } })
  }
  const items = [
    { action: 'complete' as const, id, completed: true },
    { action: 'create' as const, task: { title: 'X' } },
  ]
  t.match(await alice.send.batchTasks({ items }), { status: 409, body: { code: 'quota_exceeded', index: 1 } })
  t.match(await alice.getTask(id), { completed: false, revision: 1 }, 'a batch is undone as a whole')
  t.equal((await alice.listTasks()).data.length, TASKS)
})

t.test('of concurrent requests with the same id, one creates a task', async t => {
  const alice = await service.newUser()
  const id = randomUUID()
  const requests = Array.from({ length: 20 }, (_, index) =>
    alice.send.createTask({ id, title: `${index}` }, index % 2 === 0 ? {} : keyed()),
  )
  const statuses = (await Promise.all(requests)).map(({ status }) => status)
  t.same(statuses.sort(), [201, ...Array(19).fill(409)])
  t.match(await alice.createTask({ title: 'T' }), { revision: 2 })
})
