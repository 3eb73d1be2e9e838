/** What the differences between two contracts mean for clients, and which version they need. */
import type { Finding } from '../support/oasdiff.ts'
import type { Step } from './version.ts'

/** What oasdiff considers harmless or suspicious but breaks clients of this contract, and why. */
const breaking: [id: RegExp, reason: string][] = [
  // oasdiff cannot tell a tighter pattern from a looser one.
  [/^request-.*pattern-changed$/, 'the new pattern may reject what the old one accepts'],
  [/^request-(parameter|property)-removed$/, 'unknown input is rejected'],
  [/^request-.*default-value-changed$/, 'a request without the value changes its meaning'],
  [/^response-.*-removed$|^optional-response-.*-removed$/, 'nothing is removed within a major version'],
  [/^api-operation-id-removed$/, 'generated clients name their methods by it'],
]

/**
 * Differences that do not break clients although oasdiff says or suspects so: its text of the difference, and the
 * reason. An entry can be removed after the next release.
 */
const exceptions: Record<string, string> = {}

/** A difference, and the operations that have it. */
export interface Change {
  level: 'ERR' | 'WARN' | 'INFO'
  text: string
  /** Why the level is not oasdiff's. */
  reason: string | undefined
  places: Set<string>
}

/** The changes that oasdiff found, most severe first. */
export function judge(findings: Finding[], accepted = exceptions): Change[] {
  const changes = new Map<string, Change>()
  for (const finding of findings) {
    // These only repeat that there are breaking changes; `versionError` judges the version.
    if (/^api-(major-)?version-/.test(finding.id)) continue
    // The responses of many operations and statuses share a schema.
    const text = finding.text.replace(/ \w+ the response (status `\d+`|with the `\d+` status)/, '')
    const [level, reason] = judgeOne(finding, text, accepted)
    const key = `${level} ${text}`
    const change = changes.get(key) ?? { level, text, reason, places: new Set() }
    change.places.add(finding.path === undefined ? 'contract' : `${finding.operation} ${finding.path}`)
    changes.set(key, change)
  }
  const order = ['ERR', 'WARN', 'INFO']
  return [...changes.values()].sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level))
}

/** The parts of a contract that oasdiff does not look at: extensions, and schemas that nothing refers to. */
export interface Unreferenced {
  'x-limits': Record<string, number>
  components: { schemas: Record<string, { enum?: string[] }> }
}

/** The limits on requests that are new or lower, and the values that open enumerations no longer list. */
export function judgeUnreferenced(released: Unreferenced, current: Unreferenced): Change[] {
  const before = released['x-limits']
  const limits = Object.entries(current['x-limits']).flatMap(([name, now]) => {
    const limit = before[name]
    if (limit === undefined) return [`added the limit \`${name}\``]
    return limit > now ? [`lowered the limit \`${name}\` from ${limit} to ${now}`] : []
  })
  const values = Object.entries(released.components.schemas).flatMap(([name, { enum: old = [] }]) => {
    const known = current.components.schemas[name]?.enum ?? []
    return old.filter(value => !known.includes(value)).map(value => `removed \`${value}\` from \`${name}\``)
  })
  return [...limits, ...values].map(text => ({ level: 'ERR', text, reason: undefined, places: new Set(['contract']) }))
}

type Judgement = [level: Change['level'], reason?: string]

function judgeOne({ id, level }: Finding, text: string, accepted: Record<string, string>): Judgement {
  const reason = accepted[text]
  if (reason !== undefined) return ['INFO', reason]
  const why = breaking.find(([pattern]) => pattern.test(id))?.[1]
  if (why !== undefined) return ['ERR', why]
  return [level === 3 ? 'ERR' : level === 2 ? 'WARN' : 'INFO']
}

/** The smallest step that the contract promises. Unlike SemVer, it promises the same below 1.0.0. */
export function neededStep(changes: Change[]): Step {
  if (changes.length === 0) return 'patch'
  return changes.some(({ level }) => level === 'ERR') ? 'major' : 'minor'
}

/** One line for each change. */
export const describe = (changes: Change[]): string[] =>
  changes.map(({ level, text, reason, places }) => {
    const [first, ...others] = places
    const where = others.length === 0 ? first : `${first} and ${others.length} more`
    return `${level.padEnd(4)}  ${text} (${where})${reason === undefined ? '' : `; ${reason}`}`
  })
