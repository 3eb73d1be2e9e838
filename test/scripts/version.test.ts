/** `npm run release`: version arithmetic, and the texts that a release changes. */
import t from 'tap'
import { raise, versionError, withRelease, withVersion } from '../../scripts/release/version.ts'

t.test('a step raises its number and resets the smaller ones', async t => {
  t.equal(raise('1.2.3', 'major'), '2.0.0')
  t.equal(raise('1.2.3', 'minor'), '1.3.0')
  t.equal(raise('1.2.3', 'patch'), '1.2.4')
  t.equal(raise('0.9.9', 'minor'), '0.10.0')
  t.throws(() => raise('1.2', 'patch'), { message: '1.2 is not a version of the form 1.2.3.' })
})

t.test('the version must be the released one, or high enough for the changes', async t => {
  t.equal(versionError('1.2.3', '1.2.3', 'major'), undefined, 'the next release raises it')
  t.equal(versionError('1.2.3', '1.3.0', 'minor'), undefined)
  t.equal(versionError('1.2.3', '1.10.0', 'minor'), undefined, 'numbers are not compared as texts')
  t.equal(versionError('1.2.3', '2.0.0', 'minor'), undefined)
  t.equal(versionError('1.2.3', '1.2.2', 'patch'), 'info.version is 1.2.2, which is lower than the released 1.2.3.')
  t.equal(versionError('1.10.0', '1.9.9', 'patch'), 'info.version is 1.9.9, which is lower than the released 1.10.0.')
  t.equal(
    versionError('1.2.3', '1.3.0', 'major'),
    'info.version is 1.3.0, but the changes since 1.2.3 need 2.0.0 or higher.',
  )
})

t.test('the version in the contract is replaced; everything else stays', async t => {
  const contract = (version: string) => `# A comment
info:
  title: version

# Another
  description: |
    version: 7
  version: ${version} # kept
other:
  version: 1
`
  t.equal(withVersion(contract('0.1.0'), '0.2.0'), contract('0.2.0'))
  t.throws(() => withVersion('info:\n  title: a\nother:\n  version: 1.0.0\n', '2.0.0'), /no info.version/)
})

t.test('the unreleased entries of the changelog get a heading of their own', async t => {
  const older = '## 0.1.0 (2026-01-01)\n\n- The first.\n'
  const entries = '### Added\n\n- Something.\n\n'
  t.equal(
    withRelease(`# Changelog\n\n## Unreleased\n\n${entries}${older}`, '0.2.0', '2026-02-02'),
    `# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-02-02)\n\n${entries}${older}`,
  )
  t.equal(
    withRelease('## Unreleased\n\n- The first.\n', '0.1.0', '2026-02-02'),
    '## Unreleased\n\n## 0.1.0 (2026-02-02)\n\n- The first.\n',
  )
})

t.test('a changelog without unreleased entries cannot be released', async t => {
  const released = '## 0.1.0 (2026-01-01)\n\n- The first.\n'
  t.equal(withRelease(`## Unreleased\n\n${released}`, '0.2.0', '2026-02-02'), undefined)
  t.equal(withRelease(`## Unreleased\n\n### Added\n\n${released}`, '0.2.0', '2026-02-02'), undefined, 'only headings')
  t.equal(withRelease(released, '0.2.0', '2026-02-02'), undefined, 'no such heading')
})
