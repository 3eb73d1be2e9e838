/** The folder of a language: the contract, the client that is generated from it, the tour, and the lock file. */
import { spawn, spawnSync } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exitCode } from '../support/signals.ts'
import { languages } from './languages.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const sourceOf = (name: string) => join(root, 'scripts/clients', name)

/** What docs/clients.md has for a language: the commands that generate its client, and lines of its tour. */
export async function sectionOf(heading: string): Promise<{ commands: string; example: string }> {
  const text = await readFile(join(root, 'docs/clients.md'), 'utf8')
  const section = text.split(/^##+ /m).find(part => part.startsWith(`${heading}\n`))
  const [commands, example, ...more] = [...(section ?? '').matchAll(/^```\w+\n(.*?)^```/gms)].map(([, block]) => block)
  if (commands === undefined || example === undefined || more.length > 0)
    throw new Error(`docs/clients.md does not have exactly the commands and an example for ${heading}`)
  return { commands, example }
}

/** Runs commands of a shell in a folder; throws if one of them fails. */
export async function run(commands: string, cwd: string, interrupted: AbortSignal, env = {}): Promise<void> {
  console.log(commands.trim().replaceAll(/^/gm, '$ '))
  // `inherit` also for the output, so that the progress of slow tools is seen.
  const child = spawn('sh', ['-ec', commands], { cwd, env: { ...process.env, ...env }, stdio: 'inherit' })
  const code = await exitCode(child, interrupted)
  if (code !== 0) throw new Error(`the commands ended with ${code ?? 'a signal'}`)
}

/**
 * Generates the client of a language in a folder of its own, with the tour beside it, and returns the folder. Without
 * the toolchain it returns undefined, or throws in CI.
 */
export async function prepare(name: string, interrupted: AbortSignal): Promise<string | undefined> {
  const { heading, toolchain, environment, keep } = languages[name] as (typeof languages)[string]
  const missing = toolchain.find(command => spawnSync('sh', ['-c', command]).status !== 0)
  if (missing !== undefined) {
    if (process.env.CI) throw new Error(`\`${missing}\` fails, so its toolchain is not installed`)
    console.log(`skipped: \`${missing}\` fails, so its toolchain is not installed`)
    return
  }
  const { commands } = await sectionOf(heading)
  const folder = join(root, 'node_modules/.cache/clients', name)
  await mkdir(folder, { recursive: true })
  for (const entry of await readdir(folder)) {
    if (!keep.includes(entry)) await rm(join(folder, entry), { recursive: true })
  }
  // Before the client is generated: a generator may read the settings of a project.
  await cp(sourceOf(name), folder, { recursive: true })
  // Under the names with which the server serves them.
  for (const version of ['', '-3.0']) {
    await cp(join(root, `openapi/openapi${version}.gen.yaml`), join(folder, `openapi${version}.yaml`))
  }
  await run(commands, folder, interrupted, environment)
  return folder
}

/** Throws if the commands have changed a file of the tour, such as a lock file that lacks a dependency. */
export async function refuseChanges(name: string, folder: string): Promise<void> {
  for (const file of await readdir(sourceOf(name))) {
    const [committed, used] = await Promise.all([sourceOf(name), folder].map(at => readFile(join(at, file), 'utf8')))
    if (used !== committed) throw new Error(`${file} has changed: if that is right, copy it from ${folder}`)
  }
}
