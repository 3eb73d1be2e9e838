/** One task as a caller may see it, and what each operation does to it: the specification that histories are checked against. */

/** What a task is; `null` for one that was never created or is deleted, told apart because a deleted id stays taken. */
export interface State {
  task: Content | null
  deleted: boolean
}

export interface Content {
  title: string
  description: string | null
  completed: boolean
}

export type Call =
  | { kind: 'create'; content: Content }
  | { kind: 'read' }
  | { kind: 'replace'; content: Content }
  | { kind: 'retitle'; title: string }
  | { kind: 'toggle' }
  | { kind: 'delete' }

/** What was answered: a task, or the status where there is none to see; undefined where nobody knows. */
export type Outcome = { status: 200 | 201; content: Content } | { status: 204 | 404 | 409 } | undefined

export const nothing: State = { task: null, deleted: false }

/** The state after `call` in `state`, and what has to be answered. */
export function apply(state: State, call: Call): { state: State; outcome: Outcome } {
  const { task } = state
  const changed = (content: Content) => ({
    state: { ...state, task: content },
    outcome: { status: 200, content } as const,
  })
  if (call.kind === 'create') {
    if (task !== null || state.deleted) return { state, outcome: { status: 409 } }
    return { state: { task: call.content, deleted: false }, outcome: { status: 201, content: call.content } }
  }
  if (task === null) return { state, outcome: { status: 404 } }
  switch (call.kind) {
    case 'read':
      return { state, outcome: { status: 200, content: task } }
    case 'replace':
      return changed(call.content)
    case 'retitle':
      return changed({ ...task, title: call.title })
    case 'toggle':
      return changed({ ...task, completed: !task.completed })
    case 'delete':
      return { state: { task: null, deleted: true }, outcome: { status: 204 } }
  }
}
