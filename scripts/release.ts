/**
 * `npm run release -- major | minor | patch`: checks that the repository in the current folder can be released with
 * this step and changes the files that a release changes. The commit and the tag are left to the caller.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parse } from 'yaml'
import { describe } from './release/changes.ts'
import { bundle, compareWithRelease, releasedBundle } from './release/compare.ts'
import { raise, steps, withRelease, withVersion } from './release/version.ts'

const step = steps.find(name => name === process.argv[2]) ?? refuse(`Use one of these steps: ${steps.join(', ')}.`)
const read = (file: string) => readFile(file, 'utf8')

function refuse(sentence: string): never {
  console.error(sentence)
  process.exit(1)
}

if (execFileSync('git', ['status', '--porcelain']).length > 0)
  refuse('The working tree has changes: commit or stash them first.')
if (spawnSync(process.execPath, ['scripts/generate.ts', '--check'], { stdio: 'inherit' }).status !== 0)
  refuse('Generated files are stale.')

const comparison = await compareWithRelease(true)
const contract = await read('openapi/openapi.yaml')
const previous: string = comparison?.released ?? parse(contract).info.version
const version = raise(previous, step)
const changelog =
  withRelease(await read('CHANGELOG.md'), version, new Date().toISOString().slice(0, 10)) ??
  refuse('CHANGELOG.md has no entries under "Unreleased": say what changes for users.')
if (comparison !== undefined) {
  const { changes, needed } = comparison
  for (const line of describe(changes)) console.log(line)
  if (steps.indexOf(step) < steps.indexOf(needed))
    refuse(`The changes since ${previous} need a ${needed} release (${raise(previous, needed)}) at least.`)
}

await writeFile('openapi/openapi.yaml', withVersion(contract, version))
await writeFile('CHANGELOG.md', changelog)
await writeFile('package.json', json({ ...JSON.parse(await read('package.json')), version }))
const lock = JSON.parse(await read('package-lock.json'))
lock.version = version
lock.packages[''].version = version
await writeFile('package-lock.json', json(lock))
execFileSync(process.execPath, ['scripts/generate.ts'], { stdio: 'inherit' })
await mkdir(dirname(releasedBundle), { recursive: true })
await copyFile(bundle, releasedBundle)
console.log(`
Version ${version} is ready. Check \`git diff\`, then:

  git add --all
  git commit --message 'chore: release ${version}'
  git tag --annotate v${version} --message 'Version ${version}'
  git push --follow-tags`)

/** As npm writes it. */
function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
