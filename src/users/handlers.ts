/** The handlers of the operations on users. */
import type { Handler } from '../context.ts'
import { validationFailed } from '../contract/validate.ts'
import { erasePart } from './erase.ts'

export const eraseUser: Handler<'eraseUser'> = async ({ path, query }, { db }) => {
  if (query.confirm !== path.user_id) {
    const detail = 'must be the user_id of the path'
    return validationFailed([{ in: 'query', name: 'confirm', code: 'not_a_choice', detail }])
  }
  const { tasks, hasMore } = await erasePart(db, path.user_id)
  return { status: 200, body: { deleted_task_count: tasks, has_more: hasMore } }
}
