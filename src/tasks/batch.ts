/** batchTasks: several writes in one transaction, each as the operation of its name would do it. */
import type { components } from '../contract/openapi.gen.ts'
import { Problem } from '../contract/problem.ts'
import type { Handler, Input } from '../contract/types.ts'
import { allOrNothing } from '../database/transaction.ts'
import { lock } from './bulk-queries.ts'
import { completeTask, createTask, deleteTask, updateTask } from './handlers.ts'

type Item = components['schemas']['BatchItem']
type Batch = Input<'batchTasks'>
/** Of all that the operations' handlers may answer, what they do answer: the rest is found out before there is a handler. */
type ItemProblem = Problem<'task_not_found' | 'id_taken' | 'id_in_trash' | 'quota_exceeded' | 'precondition_failed'>

export const batchTasks: Handler<'batchTasks'> = input =>
  allOrNothing(input.db, async db => {
    const { path, body } = input
    const ids = body.items.flatMap(item => (item.action === 'create' ? [] : [item.id]))
    // A single write locks its task before the clock. So does a batch, or else they could wait for each other.
    await lock(db, { userId: path.user_id, ids })
    const data: components['schemas']['BatchItemResult'][] = []
    for (const [index, item] of body.items.entries()) {
      const answer = await perform(item, { ...input, db })
      if (answer instanceof Problem) return (answer as ItemProblem).ofItem(index)
      const task = 'body' in answer && answer.body !== undefined ? answer.body : null
      data.push({ id: task?.id ?? (item as { id: string }).id.toLowerCase(), task })
    }
    return { status: 200, body: { data } }
  })

function perform(item: Item, { path: { user_id }, db, limits, afterwards }: Batch) {
  const input = { query: {}, db, limits, afterwards }
  // Below oneOf no defaults are filled in.
  if (item.action === 'create') {
    return createTask({ ...input, path: { user_id }, header: {}, body: { completed: false, ...item.task } })
  }
  const path = { user_id, id: item.id }
  const header = item.revision === undefined ? {} : { 'if-match': `"${item.revision}"` }
  switch (item.action) {
    case 'update':
      return updateTask({ ...input, path, header, body: item.changes })
    case 'complete': {
      const { completed } = item
      return completeTask({ ...input, path, header, body: completed === undefined ? undefined : { completed } })
    }
    case 'delete':
      return deleteTask({ ...input, path, header, body: undefined })
  }
}
