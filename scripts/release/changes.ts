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

/** The changes, most severe first. `released` is the parsed contract of the last release. */
export function judge(findings: Finding[], released: unknown, accepted = exceptions): Change[] {
  const lists = alternatives(released)
  const changes = new Map<string, Change>()
  for (const finding of findings) {
    // These only repeat that there are breaking changes; `versionError` judges the version.
    if (/^api-(major-)?version-/.test(finding.id)) continue
    // The responses of many operations and statuses share a schema.
    const text = finding.text.replace(/ \w+ the response (status `\d+`|with the `\d+` status)/, '')
    const [level, reason] = judgeOne(finding, text, lists, accepted)
    const key = `${level} ${text}`
    const change = changes.get(key) ?? { level, text, reason, places: new Set() }
    change.places.add(finding.path === undefined ? 'contract' : `${finding.operation} ${finding.path}`)
    changes.set(key, change)
  }
  const order = ['ERR', 'WARN', 'INFO']
  return [...changes.values()].sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level))
}

type Limits = Record<string, number>

/** The limits on requests that are new or lower: oasdiff does not look at extensions. */
export function judgeLimits(released: { 'x-limits': Limits }, current: { 'x-limits': Limits }): Change[] {
  const before = released['x-limits']
  return Object.entries(current['x-limits']).flatMap(([name, now]) => {
    const limit = before[name]
    if (limit !== undefined && limit <= now) return []
    const text =
      limit === undefined ? `added the limit \`${name}\`` : `lowered the limit \`${name}\` from ${limit} to ${now}`
    return [{ level: 'ERR', text, reason: undefined, places: new Set(['contract']) }]
  })
}

type Judgement = [level: Change['level'], reason?: string]

function judgeOne(
  { id, level }: Finding,
  text: string,
  lists: Map<string, Schema[][]>,
  accepted: Record<string, string>,
): Judgement {
  const reason = accepted[text]
  if (reason !== undefined) return ['INFO', reason]
  const [, value = '', name = ''] = /`([^`]+)` enum value .*anyOf\[#\/components\/schemas\/(\w+)\]`/.exec(text) ?? []
  const isAllowed = lists.get(name)?.every(list => list.some(schema => allows(schema, value)))
  if (id === 'response-property-enum-value-added' && isAllowed)
    return ['INFO', 'the released contract allows other strings here']
  const why = breaking.find(([pattern]) => pattern.test(id))?.[1]
  if (why !== undefined) return ['ERR', why]
  return [level === 3 ? 'ERR' : level === 2 ? 'WARN' : 'INFO']
}

interface Schema {
  $ref?: string
  type?: string
  pattern?: string
  maxLength?: number
  anyOf?: Schema[]
}

/** Every `anyOf` in the contract, by the names of the schemas in it. */
function alternatives(contract: unknown): Map<string, Schema[][]> {
  const found = new Map<string, Schema[][]>()
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { anyOf } = node as Schema
    for (const { $ref } of Array.isArray(anyOf) ? anyOf : []) {
      const name = $ref?.replace('#/components/schemas/', '')
      if (name !== undefined) found.set(name, [...(found.get(name) ?? []), anyOf as Schema[]])
    }
    for (const child of Object.values(node)) visit(child)
  }
  visit(contract)
  return found
}

/** Whether a schema for strings allows `value` without listing it. */
const allows = (schema: Schema, value: string) =>
  schema.type === 'string' &&
  !('enum' in schema || 'const' in schema) &&
  value.length <= (schema.maxLength ?? Number.POSITIVE_INFINITY) &&
  new RegExp(schema.pattern ?? '', 'u').test(value)

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
