/** The specification that histories are checked against: the states of one task, and what each operation does to it. */

export interface State {
  /** The current content, or that before deletion; null if the task was never created. */
  content: Content | null
  deleted: boolean
  /** Undefined if unknown: the response to the write was lost, or contains none. */
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
  | { kind: 'complete'; completed: boolean }
  | { kind: 'delete' }
  | { kind: 'restore' }
) & {
  /** The revision that it applies to, as in If-Match. */
  only?: number
}

/** What was returned: a task, or a status without one; undefined if unknown. */
export type Outcome =
  | { status: 200 | 201; content: Content; revision?: number }
  | { status: 204 | 404 | 409 | 412 }
  | undefined

export const nothing: State = { content: null, deleted: false }

/**
 * The state after `call` in `state`, or undefined if `outcome` is impossible. A call of unknown outcome is assumed to
 * have taken effect; the checker considers the other case.
 */
export function apply(state: State, call: Call, outcome: Outcome): State | undefined {
  const { content, deleted } = state
  const unchanged = (status: number) => (outcome === undefined || outcome.status === status ? state : undefined)
  if (call.kind === 'create') {
    return content === null ? change(state, { content: call.content, deleted: false }, outcome, 201) : unchanged(409)
  }
  if (content === null || (deleted && call.kind !== 'restore')) return unchanged(404)
  if (call.only !== undefined && state.revision !== undefined && call.only !== state.revision) return unchanged(412)
  // The task's revision is unknown; evidently it is another one.
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
    case 'complete':
      return change(state, { content: { ...content, completed: call.completed }, deleted }, outcome, 200)
    case 'delete':
      return outcome === undefined || outcome.status === 204 ? { content, deleted: true } : undefined
    case 'restore':
      return change(state, { content, deleted: false }, outcome, 200)
  }
}

/** `after` with the returned revision, which must be greater if something changed and otherwise the same. */
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
