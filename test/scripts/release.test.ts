/** `npm run release` in a small repository: what it refuses, and what a release changes. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { withVersion } from '../../scripts/release/version.ts'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { hasOasdiff } from '../../scripts/support/oasdiff.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const skip = hasOasdiff() || process.env.CI ? false : 'oasdiff is not installed, and neither is Go, which installs it'

/** The generator of the small repository, whose contract is one file. */
const generator = `import { readFileSync, writeFileSync } from 'node:fs'
const contract = readFileSync('openapi/openapi.yaml', 'utf8')
if (!process.argv.includes('--check')) writeFileSync('openapi/openapi.gen.yaml', contract)
else if (readFileSync('openapi/openapi.gen.yaml', 'utf8') !== contract) process.exit(1)
`

/** A repository with the files that a release reads and writes; the contract is the real one, as version 0.1.0. */
async function createRepository(path: string) {
  const read = (file: string) => readFile(join(path, file), 'utf8')
  const edit = async (file: string, change: (text: string) => string) =>
    writeFile(join(path, file), change(await read(file)))
  const git = (...options: string[]) => execFileSync('git', options, { cwd: path, encoding: 'utf8' })
  const commit = () => {
    git('add', '--all')
    git('-c', 'user.name=Test', '-c', 'user.email=test@example.org', '-c', 'commit.gpgsign=false', 'commit', '-qm', 'x')
  }
  const generate = () => execFileSync(process.execPath, ['scripts/generate.ts'], { cwd: path })
  const release = (step: string) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/release.ts'), step], {
      cwd: path,
      encoding: 'utf8',
    })
    return { status, output: stdout + stderr }
  }

  git('init', '--quiet')
  for (const folder of ['openapi', 'scripts']) await mkdir(join(path, folder))
  // The version of the repository itself rises; that of the test does not.
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  for (const file of ['package.json', 'package-lock.json']) {
    const text = await readFile(join(root, file), 'utf8')
    // The first two are those of the package itself.
    const old = text.split(`"version": "${version}"`)
    await writeFile(
      join(path, file),
      [old.slice(0, 3).join('"version": "0.1.0"'), ...old.slice(3)].join(`"version": "${version}"`),
    )
  }
  const contract = await readFile(join(root, 'openapi/openapi.gen.yaml'), 'utf8')
  await writeFile(join(path, 'openapi/openapi.yaml'), withVersion(contract, '0.1.0'))
  await writeFile(join(path, 'scripts/generate.ts'), generator)
  await writeFile(join(path, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n\n### Added\n\n- A contract.\n')
  generate()
  commit()
  return { read, edit, git, commit, generate, release }
}

t.test('releases', { skip }, async t => {
  await using folder = await temporaryFolder()
  const { read, edit, git, commit, generate, release } = await createRepository(folder.path)
  const refuses = (step: string, sentence: RegExp) => {
    const { status, output } = release(step)
    t.equal(status, 1, output)
    t.match(output, sentence)
  }
  const log = () => edit('CHANGELOG.md', text => text.replace('## Unreleased\n', '## Unreleased\n\n- A change.\n'))
  /** A change of the contract with all that belongs to it. */
  const change = async (from: string, to: string) => {
    await edit('openapi/openapi.yaml', text => text.replace(from, to))
    await log()
    generate()
    commit()
  }

  refuses('huge', /Use one of these steps: patch, minor, major/)

  const before = git('rev-parse', 'HEAD')
  const first = release('minor')
  t.equal(first.status, 0, first.output)
  t.match(first.output, /git tag --annotate v0.2.0/)
  t.equal(git('rev-parse', 'HEAD'), before, 'makes no commit')
  t.equal(git('tag'), '', 'makes no tag')
  const bundle = await read('openapi/openapi.gen.yaml')
  t.equal(parse(bundle).info.version, '0.2.0')
  t.equal(await read('openapi/released/openapi.yaml'), bundle)
  t.equal(JSON.parse(await read('package.json')).version, '0.2.0')
  const lock = JSON.parse(await read('package-lock.json'))
  t.same([lock.version, lock.packages[''].version], ['0.2.0', '0.2.0'])
  t.match(await read('CHANGELOG.md'), /## Unreleased\n\n## 0.2.0 \(\d{4}-\d\d-\d\d\)\n\n### Added\n\n- A contract.\n/)
  t.match(git('diff', '--numstat'), /^1\t1\topenapi\/openapi.yaml\n/m, 'one line of the contract changes')
  t.match(git('diff', '--numstat'), /^2\t2\tpackage-lock.json\n/m, 'only the versions of the lock file change')

  refuses('minor', /The working tree has changes/)
  commit()
  refuses('minor', /no entries under "Unreleased"/)

  await edit('openapi/openapi.yaml', text => text.replace('operationId: listTasks', 'operationId: listAllTasks'))
  commit()
  refuses('minor', /Generated files are stale/)

  await change('  /health/live:\n', '  /health/alive:\n')
  refuses('minor', /The changes since 0.2.0 need a major release \(1.0.0\) at least/)
  t.equal(git('status', '--porcelain'), '', 'a refused release changes nothing')

  t.equal(release('major').status, 0)
  t.equal(parse(await read('openapi/released/openapi.yaml')).info.version, '1.0.0')
  commit()
  await change('  /health/alive:\n', '  /health/live:\n')
  refuses('minor', /The changes since 1.0.0 need a major release \(2.0.0\) at least/)
})
