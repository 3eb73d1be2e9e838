/** The specification that histories are checked against: the states of one task, and what each operation does to it. */
import { isDeepStrictEqual } from 'node:util'

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
  due: { date: string; time: string | null; time_zone: string | null } | null
  priority: string
  tags: string[]
  /** Undefined if unknown: the server has chosen it, and the response was lost. */
  position?: string | undefined
}

export type Call = (
  | { kind: 'create'; content: Content }
  | { kind: 'read' }
  | { kind: 'replace'; content: Content }
  | { kind: 'retitle'; title: string }
  | { kind: 'prioritise'; priority: string }
  | { kind: 'postpone'; date: string }
  | { kind: 'retime'; time: string }
  | { kind: 'tag' | 'untag'; tag: string }
  | { kind: 'move'; to: 'start' | 'end' }
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
  | { status: 204 | 404 | 409 | 412 | 422 }
  | undefined

type Created = State & { content: Content }

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
  const changed = (part: Partial<Content>) => change(state, { content: { ...content, ...part }, deleted }, outcome, 200)
  switch (call.kind) {
    case 'read':
      return changed({})
    case 'replace':
      return changed(call.content)
    case 'retitle':
      return changed({ title: call.title })
    case 'prioritise':
      return changed({ priority: call.priority })
    case 'postpone':
      return changed({ due: { ...(content.due ?? { time: null, time_zone: null }), date: call.date } })
    case 'retime':
      // A time needs a date.
      return content.due === null ? unchanged(422) : changed({ due: { ...content.due, time: call.time } })
    case 'tag':
      return changed({ tags: [...new Set([...content.tags, call.tag])].sort() })
    case 'untag':
      return changed({ tags: content.tags.filter(tag => tag !== call.tag) })
    case 'move':
      return changed({ position: outcome !== undefined && 'content' in outcome ? outcome.content.position : undefined })
    case 'toggle':
      return changed({ completed: !content.completed })
    case 'complete':
      return changed({ completed: call.completed })
    case 'delete':
      return outcome === undefined || outcome.status === 204 ? { content, deleted: true } : undefined
    case 'restore':
      return change(state, { content, deleted: false }, outcome, 200)
  }
}

/** `after` with the returned revision, which must be greater if something changed and otherwise the same. */
function change(before: State, after: Created, outcome: Outcome, status: 200 | 201): State | undefined {
  const { content, deleted } = after
  const isSame = same(before.content, content) && before.deleted === deleted
  // A move may have changed the position, to one that only the lost response named.
  if (outcome === undefined) return isSame && content.position !== undefined ? before : { content, deleted }
  if (!('content' in outcome) || outcome.status !== status || !same(outcome.content, content)) return undefined
  const { revision } = outcome
  if (before.revision !== undefined && revision !== undefined) {
    if (isSame ? revision !== before.revision : revision <= before.revision) return undefined
  }
  // With the position that the server has chosen.
  return { content: outcome.content, deleted, revision: revision ?? (isSame ? before.revision : undefined) }
}

function same(one: Content | null, other: Content): boolean {
  const [{ position, ...a }, { position: second, ...b }] = [one ?? ({} as Partial<Content>), other]
  return isDeepStrictEqual(a, b) && (position === undefined || second === undefined || position === second)
}
