/** If-Match and If-None-Match (RFC 9110, 13.1) as conditions on a revision, which is the entity tag of its task. */

/** The revisions in a header; null is `*`, which matches every revision. */
type Revisions = number[] | null

/** The request must be refused unless `ifMatch` matches and `ifNoneMatch` does not. */
export interface Precondition {
  ifMatch: Revisions
  ifNoneMatch: Revisions
}

/** The headers that state a precondition, as the contract names them. */
export const PRECONDITION_HEADERS = ['If-Match', 'If-None-Match'] as const

/** The precondition of a request without either header: it always holds. */
export const NO_PRECONDITION: Precondition = { ifMatch: null, ifNoneMatch: [] }

/** A strong entity tag, as tasks have. */
const STRONG = /^"([1-9][0-9]{0,15})"$/
/** If-None-Match compares weakly (RFC 9110, 8.8.3.2): a weak tag counts as the strong one. */
const STRONG_OR_WEAK = /^(?:W\/)?"([1-9][0-9]{0,15})"$/

/** @param headers validated, by name in lower case */
export const readPrecondition = (headers: Record<string, unknown>): Precondition => ({
  ifMatch: revisions((headers['if-match'] as string | undefined) ?? '*', STRONG),
  ifNoneMatch: revisions((headers['if-none-match'] as string | undefined) ?? '', STRONG_OR_WEAK),
})

export const matches = (list: Revisions, revision: number): boolean => list === null || list.includes(revision)

/** Tags of another form, and numbers above any revision, belong to no task and match nothing. */
function revisions(header: string, form: RegExp): Revisions {
  if (header === '*') return null
  const tags = header.match(/(W\/)?"[^"]*"/g) ?? []
  return tags.map(tag => Number(form.exec(tag)?.[1])).filter(Number.isSafeInteger)
}
