/** Concurrent updates of one task: each changes only the fields it names. */
import t from 'tap'
import { onPostgres, startService } from '../../scripts/support/service.ts'
import type { components } from '../../src/contract/openapi.gen.ts'
import * as tasks from '../../src/tasks/queries.ts'
import { untilWaiting } from '../support/locks.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

t.test(
  'PATCH that waits for another PATCH to commit keeps what that one wrote',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const alice = await service.newUser()
    const { id } = await alice.createTask({ title: 'Title', description: 'Description' })
    const patches: components['schemas']['TaskUpdate'][] = [
      { description: 'By the second' },
      { completed: true },
      { title: 'By the second' },
    ]
    for (const patch of patches) {
      const before = await alice.getTask(id)
      const first = await kysely.startTransaction().execute()
      const target = { userId: alice.id, id, ifMatch: null, ifNoneMatch: [] }
      const firstPatch = 'title' in patch ? { description: null } : { title: `Before ${Object.keys(patch)}` }
      const now = new Date().toISOString()
      await tasks.update(first, { ...target, patch: JSON.stringify(firstPatch), mergedWith: null, now })
      const second = alice.updateTask(id, patch)
      await untilWaiting(kysely, 'jsonb_populate_record')
      await first.commit().execute()
      t.match(await second, { ...firstPatch, ...patch, revision: before.revision + 2 })
    }
  },
)

t.test('concurrent updates of different fields are all kept', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  for (let round = 1; round <= 10; round += 1) {
    const [title, description, completed] = [`Title ${round}`, `Description ${round}`, round % 2 === 1]
    await Promise.all([
      alice.updateTask(id, { title }),
      alice.updateTask(id, { description }),
      alice.setTaskCompletion(id, { completed }),
    ])
    t.match(await alice.getTask(id), { title, description, completed, revision: 1 + 3 * round })
  }
})
