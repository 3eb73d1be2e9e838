/** Which Node the processes of a test run were, as tap recorded them. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What tap writes when a Node process of the run ends: the tests, and all that they started. */
interface ProcessInfo {
  uuid: string
  /** The `uuid` of the process that started it; null for a test. */
  parent: string | null
  /** The path of Node, then that of its program. */
  argv: string[]
}

const folder = fileURLToPath(new URL('../../.tap/processinfo/', import.meta.url))

/** Whether all processes of tap's last run were the Node that runs this one; prints those that were not. */
export async function allOnThisNode(): Promise<boolean> {
  const names = await readdir(folder)
  const infos = await Promise.all(
    names.map(async (name): Promise<ProcessInfo> => JSON.parse(await readFile(join(folder, name), 'utf8'))),
  )
  // npm runs the scripts of package.json on the Node of node_modules, whichever Node runs npm itself.
  const npm = new Set(
    infos.filter(({ argv }) => /^npm(-cli\.js)?$/.test(basename(argv[1] ?? ''))).map(({ uuid }) => uuid),
  )
  const counted = infos.filter(({ parent }) => parent === null || !npm.has(parent))
  const others = counted.filter(({ argv }) => argv[0] !== process.execPath)
  for (const { argv } of others) console.error(`Not on Node ${process.versions.node}: ${argv.join(' ')}`)
  console.log(`\n${counted.length - others.length} of ${counted.length} processes ran on Node ${process.versions.node}`)
  return counted.length > 0 && others.length === 0
}
