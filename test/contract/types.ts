/** Type tests, run by tsc in `npm run check`: every line after `@ts-expect-error` must not compile. */

import { invalid, type User } from '../../scripts/support/client.ts'
import type { Handler, Handlers } from '../../src/context.ts'
import { Problem } from '../../src/contract/problem.ts'
import type { Input } from '../../src/contract/types.ts'
import { handlers } from '../../src/handlers.ts'
import type { Task } from '../../src/tasks/columns.ts'

declare const task: Task
const { getLiveness, ...allButOne } = handlers

// @ts-expect-error a missing handler
export const missing: Handlers = allButOne

// @ts-expect-error a handler that the contract does not know
export const unknown: Handlers = { ...allButOne, getLiveness, archiveTask: getLiveness }

// @ts-expect-error the handler of another operation
export const swapped: Handler<'getTask'> = handlers.deleteTask

// @ts-expect-error a status that the operation does not declare
export const undeclaredStatus: Handler<'getTask'> = async () => ({ status: 202, body: task, headers: { ETag: '' } })

// @ts-expect-error a problem whose status the operation does not declare
export const undeclaredProblem: Handler<'getTask'> = async () => new Problem('id_taken', '')

// @ts-expect-error a body without one of its fields
export const missingField: Handler<'getHealth'> = async () => ({ status: 200, body: {} })

// @ts-expect-error a body with a field of the wrong type
export const wrongField: Handler<'getTask'> = async () => ({
  status: 200,
  body: { ...task, revision: '1' },
  headers: { ETag: '' },
})

// @ts-expect-error a body where none is declared
export const unexpectedBody: Handler<'deleteTask'> = async () => ({ status: 204, body: task })

// @ts-expect-error a declared header is left out
export const missingHeader: Handler<'createTask'> = async () => ({ status: 201, body: task, headers: { ETag: '' } })

export function inputs(get: Input<'getTask'>, create: Input<'createTask'>, list: Input<'listTasks'>): void {
  // @ts-expect-error a path parameter that the path does not have
  get.path.task_id

  // @ts-expect-error a body where the operation takes none
  get.body.title

  // @ts-expect-error a query parameter that is not declared
  list.query.page

  // @ts-expect-error no default, so it may be absent
  create.body.description satisfies string | null

  // What has a default is always there.
  create.body.completed satisfies boolean
  list.query.limit satisfies number
  get.path.id satisfies string
}

// What must compile does.
export const found: Handler<'getTask'> = async () => ({ status: 200, body: task, headers: { ETag: '"1"' } })
export const notFound: Handler<'getTask'> = async () => new Problem('task_not_found', '')

export async function client(alice: User): Promise<void> {
  // @ts-expect-error a body without a field that is required
  await alice.createTask({})

  // @ts-expect-error a query parameter that is not declared
  await alice.listTasks({ query: { page: 1 } })

  // @ts-expect-error a query parameter that is required is left out
  await alice.deleteTasks()

  // @ts-expect-error a body where the operation takes none
  await alice.restoreTask('id', { title: 'T' })

  const { status, body } = await alice.send.getTask('id', { header: { 'If-None-Match': '"1"' } })
  // @ts-expect-error the body may be a problem
  body.title
  if (status === 200) body.revision satisfies number
  if (status === 304) body satisfies undefined
  if (status === 404) body.code satisfies string

  const task: Task = await alice.setTaskCompletion('id', undefined, { header: { 'X-Anything': 'else' } })
  await alice.send.updateTask(task.id, invalid({ title: 5 }))
}
