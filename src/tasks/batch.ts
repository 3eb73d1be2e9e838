/** batchTasks: several writes in one transaction, each executed by the handler of its own operation. */
import type { Context, Handler } from '../context.ts'
import type { components } from '../contract/openapi.gen.ts'
import { NO_PRECONDITION } from '../contract/precondition.ts'
import { Problem } from '../contract/problem.ts'
import { allOrNothing } from '../database/transaction.ts'
import { lock } from './bulk-queries.ts'
import { createTask, deleteTask, setTaskCompletion, updateTask } from './handlers.ts'

type Item = components['schemas']['TaskBatchItem']
type Result = components['schemas']['TaskBatchItemResult']

export const batchTasks: Handler<'batchTasks'> = ({ path: { user_id }, body: { items } }, context) =>
  allOrNothing(context.db, async db => {
    const ids = items.flatMap(item => (item.action === 'create' ? [] : [item.id]))
    // Lock all tasks before the counter, as a single write does; otherwise the two could deadlock.
    await lock(db, { userId: user_id, ids })
    const results: Result[] = []
    for (const [index, item] of items.entries()) {
      const result = await perform(user_id, item, { ...context, db })
      if (result instanceof Problem) return result.ofItem(index)
      results.push(result)
    }
    return { status: 200, body: { items: results } }
  })

async function perform(user_id: string, item: Item, context: Context) {
  if (item.action === 'create') {
    const response = await createTask({ path: { user_id }, body: item.task }, context)
    return response instanceof Problem ? response : { id: response.body.id, task: response.body }
  }
  const id = item.id.toLowerCase()
  const path = { user_id, id }
  const precondition = { ...NO_PRECONDITION, ...(item.revision !== undefined && { ifMatch: [item.revision] }) }
  switch (item.action) {
    case 'update': {
      const response = await updateTask({ path, precondition, body: item.changes }, context)
      return response instanceof Problem ? response : { id, task: response.body }
    }
    case 'complete': {
      const response = await setTaskCompletion({ path, precondition, body: { completed: item.completed } }, context)
      return response instanceof Problem ? response : { id, task: response.body }
    }
    case 'delete': {
      const response = await deleteTask({ path, precondition }, context)
      return response instanceof Problem ? response : { id, task: null }
    }
  }
}
