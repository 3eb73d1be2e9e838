/** Concurrent updates of one task: each changes what it names, on top of what the others have written. */
import t from 'tap'
import { onPostgres, randomUser, startService } from '../../scripts/support/service.ts'
import * as tasks from '../../src/tasks/queries.ts'
import { untilWaiting } from '../support/locks.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create, database } = service

t.test(
  'PATCH that waited for another one keeps what that one wrote',
  { skip: !onPostgres && 'PGlite has one connection' },
  async t => {
    const user = randomUser()
    const { id } = await create(user, { title: 'Title', description: 'Description' })
    const path = `/api/${user}/tasks/${id}`
    const patches = [{ description: 'By the second' }, { completed: true }, { title: 'By the second' }]
    for (const patch of patches) {
      const before = (await call('GET', path)).body
      const first = await database.kysely.startTransaction().execute()
      const target = { userId: user, id, ifMatch: null, ifNoneMatch: [] }
      const firstPatch = 'title' in patch ? { description: null } : { title: `Before ${Object.keys(patch)}` }
      await tasks.update(first, { ...target, patch: JSON.stringify(firstPatch), now: new Date().toISOString() })
      const second = call('PATCH', path, patch)
      await untilWaiting(database.kysely, 'jsonb_populate_record')
      await first.commit().execute()
      t.match((await second).body, { ...firstPatch, ...patch, revision: before.revision + 2 })
    }
  },
)

t.test('of many concurrent updates of different fields each is kept', async t => {
  const user = randomUser()
  const { id } = await create(user)
  const path = `/api/${user}/tasks/${id}`
  for (let round = 1; round <= 10; round += 1) {
    const [title, description, completed] = [`Title ${round}`, `Description ${round}`, round % 2 === 1]
    await Promise.all([
      call('PATCH', path, { title }),
      call('PATCH', path, { description }),
      call('PATCH', `${path}/complete`, { completed }),
    ])
    t.match((await call('GET', path)).body, { title, description, completed, revision: 1 + 3 * round })
  }
})
