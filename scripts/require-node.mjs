// Runs first, on any Node: reports which version is required instead of failing on TypeScript.
import { readFileSync } from 'node:fs'

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const oldest = Number(engines.node.replace('>=', ''))
if (Number.parseInt(process.versions.node, 10) < oldest) {
  console.error(
    `Node ${oldest} or newer is required, but this is ${process.versions.node}. ` +
      'In the repository, `npm ci` installs one, unless it leaves out install scripts or devDependencies.',
  )
  process.exit(1)
}
