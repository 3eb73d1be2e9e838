/**
 * `npm run breaking`: what has changed in the contract since the last release. It fails on a change that can break
 * clients, and on a version that is too low for the changes. It works on the repository in the current folder.
 */
import { describe } from './release/changes.ts'
import { compareWithRelease, releasedBundle } from './release/compare.ts'
import { versionError } from './release/version.ts'

const comparison = await compareWithRelease(Boolean(process.env.CI))
if (comparison === undefined) {
  console.log(`There is no released contract yet (${releasedBundle}), so nothing can break.`)
  process.exit(0)
}
const { released, current, changes, needed } = comparison
console.log(
  changes.length === 0
    ? `The contract has no changes since ${released} that concern clients.`
    : `Changes of the contract since ${released}:`,
)
for (const line of describe(changes)) console.log(line)

const errors: string[] = []
const breaking = changes.filter(({ level }) => level === 'ERR').length
if (breaking > 0) errors.push(`${breaking} of the changes can break clients (ERR); see docs/releasing.md.`)
const error = versionError(released, current, needed)
if (error !== undefined) errors.push(error)
for (const line of errors) console.error(line)
process.exit(errors.length === 0 ? 0 : 1)
