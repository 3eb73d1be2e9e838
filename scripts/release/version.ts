/** Version arithmetic, and the texts that a release changes: the contract's version and the changelog. */

/** From the smallest to the largest. */
export const steps = ['patch', 'minor', 'major'] as const
export type Step = (typeof steps)[number]

const numbers = (version: string): [number, number, number] => {
  const match = /^(\d+)\.(\d+)\.(\d+)$/.exec(version)
  if (match === null) throw new Error(`${version} is not a version of the form 1.2.3.`)
  return [Number(match[1]), Number(match[2]), Number(match[3])]
}

/** The version that is one step higher. */
export function raise(version: string, step: Step): string {
  const [major, minor, patch] = numbers(version)
  return { major: `${major + 1}.0.0`, minor: `${major}.${minor + 1}.0`, patch: `${major}.${minor}.${patch + 1}` }[step]
}

/** Negative if `a` is the lower version, positive if `b` is, else 0. */
function compareVersions(a: string, b: string): number {
  const [x, y] = [numbers(a), numbers(b)]
  return x[0] - y[0] || x[1] - y[1] || x[2] - y[2]
}

/** What is wrong with the contract's version. The released version is right until the next release raises it. */
export function versionError(released: string, current: string, needed: Step): string | undefined {
  const order = compareVersions(current, released)
  if (order < 0) return `info.version is ${current}, which is lower than the released ${released}.`
  const least = raise(released, needed)
  if (order === 0 || compareVersions(current, least) >= 0) return undefined
  return `info.version is ${current}, but the changes since ${released} need ${least} or higher.`
}

/** The contract with another `info.version`; nothing else changes, comments included. */
export function withVersion(contract: string, version: string): string {
  const pattern = /^(info:\n(?:(?: .*|#.*)?\n)*? {2}version: )[^\s#]+/m
  if (!pattern.test(contract)) throw new Error('The contract has no info.version.')
  return contract.replace(pattern, `$1${version}`)
}

/** The changelog with its unreleased entries below a heading of their own; undefined if there are no entries. */
export function withRelease(changelog: string, version: string, date: string): string | undefined {
  const [before, after] = changelog.split(/(?<=^## Unreleased\n)/m)
  const entries = after?.split(/^## /m, 1)[0] ?? ''
  // Headings alone are no entries.
  return /^[^#\s]/m.test(entries) ? `${before}\n## ${version} (${date})\n${after}` : undefined
}
