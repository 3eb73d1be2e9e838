/** If-Match and If-None-Match (RFC 9110, 13.1) as conditions on a task's revision, which is its entity tag. */

/** The revisions at which a request is meant to be done. */
export interface Condition {
  /** One of these; null is any. */
  only: number[] | null
  /** None of these. */
  except: number[]
}

/** The headers that hold a condition, as the contract allows them. */
interface ConditionHeaders {
  'if-match'?: string | undefined
  'if-none-match'?: string | undefined
}

/** A strong tag that a task can have. */
const STRONG = /^"([1-9][0-9]{0,15})"$/
/** Weak comparison, which If-None-Match asks for, takes a weak tag for the strong one. */
const STRONG_OR_WEAK = /^(?:W\/)?"([1-9][0-9]{0,15})"$/

export function readCondition(headers: ConditionHeaders): Condition {
  const { 'if-match': match = '*', 'if-none-match': noneMatch = '' } = headers
  // No task is at a revision other than `*`: none is left.
  if (noneMatch === '*') return { only: [], except: [] }
  return { only: match === '*' ? null : revisions(match, STRONG), except: revisions(noneMatch, STRONG_OR_WEAK) }
}

/** Whether the condition holds for a task at `revision`. */
export const holds = ({ only, except }: Condition, revision: number): boolean =>
  (only === null || only.includes(revision)) && !except.includes(revision)

/** Tags of another form, and numbers that no revision reaches, are of no task: they match nothing. */
function revisions(tags: string, form: RegExp): number[] {
  const found = tags.match(/(W\/)?"[^"]*"/g) ?? []
  return found.map(tag => Number(form.exec(tag)?.[1])).filter(Number.isSafeInteger)
}
