/** Records the workers' operations for the checker, and findings that need no checker. */
import type { Operation } from './checker.ts'
import type { Call, Content, Outcome } from './model.ts'

/** Milliseconds within which a write of unknown outcome may still take effect: longer than any statement runs. */
const UNKNOWN_LIFETIME = 10_000

/** A task as the service returns it. */
export interface Stored extends Content {
  id: string
  revision: number
}

export interface History {
  /** By task id. */
  operations: Map<string, Operation[]>
  /** Faults that are visible without the whole history. */
  findings: string[]
  count: { operations: number; unknown: number }
  /** Returns the outcome that contains this task; reports a revision that was assigned twice. */
  see(status: 200 | 201, task: Stored): Outcome
  record(id: string, call: Call, outcome: Outcome, start: number): void
  /** Declares that no operation of unknown outcome can take effect any more. */
  closeUnknown(): void
}

export function createHistory(): History {
  const operations: History['operations'] = new Map()
  const findings: string[] = []
  const revisions = new Map<number, string>()
  const count = { operations: 0, unknown: 0 }
  return {
    operations,
    findings,
    count,
    // A revision belongs to a single write of the user, so it always comes with the same task in the same state.
    see(status, { id, title, description, completed, due, priority, tags, position, revision }) {
      const parts = due && { date: due.date, time: due.time, time_zone: due.time_zone }
      const content = { title, description, completed, due: parts, priority, tags, position }
      const seen = `${id} ${JSON.stringify(content)}`
      const before = revisions.get(revision)
      if (before !== undefined && before !== seen)
        findings.push(`revision ${revision} was assigned to ${before} and to ${seen}`)
      revisions.set(revision, seen)
      return { status, content, revision }
    },
    record(id, call, outcome, start) {
      count.operations += 1
      const end = performance.now()
      if (outcome === undefined) count.unknown += 1
      // A read without a response proves nothing.
      if (outcome === undefined && call.kind === 'read') return
      const history = operations.get(id) ?? []
      history.push({ call, outcome, start, end: outcome === undefined ? end + UNKNOWN_LIFETIME : end })
      operations.set(id, history)
    },
    closeUnknown() {
      const now = performance.now()
      for (const operation of [...operations.values()].flat()) operation.end = Math.min(operation.end, now)
    },
  }
}
