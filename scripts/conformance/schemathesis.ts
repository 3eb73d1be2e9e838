/** Runs Schemathesis and counts its cases and findings by operation. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import { temporaryFolder } from '../support/folder.ts'
import { exitCode } from '../support/signals.ts'
import { closeResponses } from '../support/strict.ts'
import type { Result, Target } from './table.ts'

const SCHEMATHESIS = 'schemathesis==4.32.5'

const root = fileURLToPath(new URL('../../', import.meta.url))
const venv = join(root, 'node_modules/.cache', SCHEMATHESIS)

/** Installs Schemathesis unless it is installed already. */
function install(): void {
  if (existsSync(join(venv, 'bin/schemathesis'))) return
  try {
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' })
  } catch {
    console.error('`python3 -m venv` failed: install Python 3.11 or newer, with ensurepip (Debian: python3-venv).')
    process.exit(1)
  }
  execFileSync(join(venv, 'bin/pip'), ['install', '--quiet', SCHEMATHESIS], { stdio: 'inherit' })
}

export async function runSchemathesis(target: Target, signal: AbortSignal): Promise<Result> {
  install()
  await using folder = await temporaryFolder()
  const file = (name: string) => join(folder.path, name)
  await writeFile(file('schemathesis.toml'), await settings(target))
  await writeFile(file('openapi.yaml'), stringify(await contractFor(target)))
  const reports = ['--report', 'json,ndjson', '--report-json-path', file('run.json')]
  const args = ['--config-file', file('schemathesis.toml'), 'run', file('openapi.yaml'), '--url', target.url]
  const run = spawn(join(venv, 'bin/schemathesis'), [...args, ...reports, '--report-ndjson-path', file('run.ndjson')], {
    cwd: root,
    stdio: 'inherit',
  })
  const code = await exitCode(run, signal)
  const cases = countCases(await readFile(file('run.ndjson'), 'utf8').catch(() => ''))
  const { failures = [] } = JSON.parse(await readFile(file('run.json'), 'utf8').catch(() => '{}')) as Summary
  const findings = new Map<string, string[]>()
  for (const { title, operations } of failures) {
    for (const operation of operations) findings.set(operation, [...(findings.get(operation) ?? []), title])
  }
  return { succeeded: code === 0, cases, findings }
}

interface Summary {
  failures?: { title: string; operations: string[] }[]
}

/** The project's settings, and one user if there is a token. */
async function settings({ user, token }: Target): Promise<string> {
  const common = await readFile(join(root, 'schemathesis.toml'), 'utf8')
  if (token === undefined) return common
  const own = [
    '[auth.openapi.bearer]',
    `bearer = ${JSON.stringify(token)}`,
    '[parameters]',
    `"path.user_id" = "${user}"`,
  ]
  return [common, ...own, ''].join('\n')
}

/**
 * In this version, undeclared statuses, fields and codes, and strings of another form, are findings. Without a token
 * the contract's `security` does not apply.
 */
async function contractFor({ token }: Target): Promise<object> {
  const document = closeResponses(parse(await readFile(join(root, 'openapi/openapi.gen.yaml'), 'utf8')))
  return token === undefined ? { ...document, security: [] } : document
}

interface Event {
  ScenarioFinished?: { recorder: { cases: Record<string, { value: { method: string; path: string } }> } }
}

function countCases(events: string): Map<string, number> {
  const count = new Map<string, number>()
  for (const line of events.split('\n').filter(Boolean)) {
    const { ScenarioFinished } = JSON.parse(line) as Event
    for (const { value } of Object.values(ScenarioFinished?.recorder.cases ?? {})) {
      const operation = `${value.method} ${value.path}`
      count.set(operation, (count.get(operation) ?? 0) + 1)
    }
  }
  return count
}
