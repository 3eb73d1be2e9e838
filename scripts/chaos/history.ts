/** What the workers were answered, for the checker, and what is wrong at first sight. */
import type { Operation } from './checker.ts'
import type { Call, Content, Outcome } from './model.ts'

/** For how many milliseconds a write of unknown outcome may still happen: longer than any statement lives. */
const UNKNOWN_LIFETIME = 10_000

/** A task as the service tells it. */
export interface Stored extends Content {
  id: string
  revision: number
}

export interface History {
  /** By the task's id. */
  operations: Map<string, Operation[]>
  /** What no history is needed to see. */
  findings: string[]
  count: { operations: number; unknown: number }
  /** The outcome that shows this task; finds a revision that is given twice. */
  see(status: 200 | 201, task: Stored): Outcome
  record(id: string, call: Call, outcome: Outcome, start: number): void
  /** From now on nothing that is unknown can still happen. */
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
    // A revision is the number of one write of the user: whoever sees it again sees the same task in the same state.
    see(status, { id, title, description, completed, revision }) {
      const content = { title, description, completed }
      const seen = `${id} ${JSON.stringify(content)}`
      const before = revisions.get(revision)
      if (before !== undefined && before !== seen) findings.push(`revision ${revision} is of ${before} and of ${seen}`)
      revisions.set(revision, seen)
      return { status, content, revision }
    },
    record(id, call, outcome, start) {
      count.operations += 1
      const end = performance.now()
      if (outcome === undefined) count.unknown += 1
      // A read that was not answered says nothing.
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
