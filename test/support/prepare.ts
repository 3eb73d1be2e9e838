/** The task that an operation's example changes. */
import type { User } from '../../scripts/support/client.ts'
import type { OperationId } from '../../src/contract/types.ts'

/** What becomes of a new task first, where the operation does not change one that is open. */
const preparations: Partial<Record<OperationId, (user: User, id: string) => Promise<unknown>>> = {
  deleteTasks: (user, id) => user.setTaskCompletion(id),
  removeTaskTag: (user, id) => user.addTaskTag(id, 'errands'),
  renameTag: (user, id) => user.addTaskTag(id, 'errands'),
  deleteTag: (user, id) => user.addTaskTag(id, 'errands'),
  async moveTask(user, id) {
    await user.createTask({ title: 'A later task' })
    await user.updateTask(id, { title: 'A task to move' })
  },
  restoreTask: (user, id) => user.deleteTask(id),
}

/** Creates a task that a valid request to the operation changes; returns its id. */
export async function prepareFor(operationId: OperationId, user: User): Promise<string> {
  const { id } = await user.createTask({ title: 'A task' })
  await preparations[operationId]?.(user, id)
  return id
}
