/** Bundles the hand-written files of the contract into the document that everyone reads. */
import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parse, stringify } from 'yaml'
import { temporaryFolder } from '../support/folder.ts'
import { expand, type ProblemKind } from './expand.ts'

const run = promisify(execFile)

const ROOT = 'openapi.yaml'
const PROBLEMS = 'problems.yaml'

/** The kinds of problem by code. */
export const readProblems = async (folder: URL): Promise<Record<string, ProblemKind>> =>
  parse(await readFile(new URL(PROBLEMS, folder), 'utf8'))

/** The document as text. Files are expanded first: references in what is repeated have to be bundled, too. */
export async function bundle(folder: URL): Promise<string> {
  const problems = await readProblems(folder)
  const { 'x-traits': traits } = parse(await readFile(new URL(ROOT, folder), 'utf8'))
  const files = (await readdir(folder)).filter(name => /^[\w-]+\.yaml$/.test(name) && name !== PROBLEMS)
  await using expanded = await temporaryFolder()
  for (const name of files) {
    const document = parse(await readFile(new URL(name, folder), 'utf8'))
    expand(document, { traits, problems })
    await writeFile(join(expanded.path, name), toYaml(document))
  }
  const output = join(expanded.path, 'bundle.json')
  await run('redocly', ['bundle', join(expanded.path, ROOT), '--output', output])
  return toYaml(JSON.parse(await readFile(output, 'utf8')))
}

/** Without aliases, which some tools do not support, and with quotes where YAML 1.1 would read a date. */
export const toYaml = (document: unknown): string =>
  stringify(document, { aliasDuplicateObjects: false, compat: 'yaml-1.1', lineWidth: 0 })
