/** The table of contents: the handler of each operation of the contract. */
import * as changes from './changes/handlers.ts'
import type { Handlers } from './context.ts'
import * as health from './health/handlers.ts'
import * as tags from './tags/handlers.ts'
import * as batch from './tasks/batch.ts'
import * as tasks from './tasks/handlers.ts'
import * as moves from './tasks/move.ts'
import * as users from './users/handlers.ts'

export const handlers: Handlers = {
  listTasks: tasks.listTasks,
  createTask: tasks.createTask,
  deleteTasks: tasks.deleteTasks,
  getTask: tasks.getTask,
  replaceTask: tasks.replaceTask,
  updateTask: tasks.updateTask,
  deleteTask: tasks.deleteTask,
  batchTasks: batch.batchTasks,
  setTaskCompletion: tasks.setTaskCompletion,
  moveTask: moves.moveTask,
  restoreTask: tasks.restoreTask,
  addTaskTag: tasks.addTaskTag,
  removeTaskTag: tasks.removeTaskTag,
  listTags: tags.listTags,
  renameTag: tags.renameTag,
  deleteTag: tags.deleteTag,
  listChanges: changes.listChanges,
  eraseUser: users.eraseUser,
  getHealth: health.getHealth,
  getLiveness: health.getLiveness,
}
