/** One task as a caller may see it, and what each operation does to it: the specification that histories are checked against. */

export interface State {
  /** What it is, or was before it was deleted; null for one that was never created. */
  content: Content | null
  deleted: boolean
  /** Undefined where nobody was told: the answer to the write was lost, or has none. */
  revision?: number | undefined
}

export interface Content {
  title: string
  description: string | null
  completed: boolean
}

export type Call = (
  | { kind: 'create'; content: Content }
  | { kind: 'read' }
  | { kind: 'replace'; content: Content }
  | { kind: 'retitle'; title: string }
  | { kind: 'toggle' }
  | { kind: 'delete' }
  | { kind: 'restore' }
) & {
  /** The revision that it is meant for, as If-Match has it. */
  only?: number
}

/** What was answered: a task, or the status where there is none to see; undefined where nobody knows. */
export type Outcome =
  | { status: 200 | 201; content: Content; revision?: number }
  | { status: 204 | 404 | 409 | 412 }
  | undefined

export const nothing: State = { content: null, deleted: false }

/**
 * The state after `call` in `state`, or undefined where that would not have been answered with `outcome`. A call of unknown
 * outcome is taken to have done its work: that it may have done nothing is the checker's to try.
 */
export function apply(state: State, call: Call, outcome: Outcome): State | undefined {
  const { content, deleted } = state
  const unchanged = (status: number) => (outcome === undefined || outcome.status === status ? state : undefined)
  if (call.kind === 'create') {
    return content === null ? change(state, { content: call.content, deleted: false }, outcome, 201) : unchanged(409)
  }
  if (content === null || (deleted && call.kind !== 'restore')) return unchanged(404)
  if (call.only !== undefined && state.revision !== undefined && call.only !== state.revision) return unchanged(412)
  // It is not known at which revision the task is: at another one, then.
  if (outcome?.status === 412) return call.only !== undefined && state.revision === undefined ? state : undefined
  switch (call.kind) {
    case 'read':
      return change(state, state, outcome, 200)
    case 'replace':
      return change(state, { content: call.content, deleted }, outcome, 200)
    case 'retitle':
      return change(state, { content: { ...content, title: call.title }, deleted }, outcome, 200)
    case 'toggle':
      return change(state, { content: { ...content, completed: !content.completed }, deleted }, outcome, 200)
    case 'delete':
      return outcome === undefined || outcome.status === 204 ? { content, deleted: true } : undefined
    case 'restore':
      return change(state, { content, deleted: false }, outcome, 200)
  }
}

/** `after`, with the revision that was answered: a greater one where something has changed, and else the same. */
function change(before: State, after: State, outcome: Outcome, status: 200 | 201): State | undefined {
  const { content, deleted } = after
  const isSame = same(before.content, content) && before.deleted === deleted
  if (outcome === undefined) return isSame ? before : { content, deleted }
  if (!('content' in outcome) || outcome.status !== status || !same(outcome.content, content)) return undefined
  const { revision } = outcome
  if (before.revision !== undefined && revision !== undefined) {
    if (isSame ? revision !== before.revision : revision <= before.revision) return undefined
  }
  return { content, deleted, revision: revision ?? (isSame ? before.revision : undefined) }
}

const same = (a: Content | null, b: Content | null) =>
  a?.title === b?.title && a?.description === b?.description && a?.completed === b?.completed
