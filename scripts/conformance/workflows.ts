/** Runs the workflows (Arazzo) with `redocly respect` and counts their steps and findings by operation. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { temporaryFolder } from '../support/folder.ts'
import { exitCode } from '../support/signals.ts'
import type { Result, Target } from './table.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const WORKFLOWS = 'openapi/workflows.arazzo.yaml'

interface Document {
  workflows: { workflowId: string; steps: { stepId: string; operationId: string }[] }[]
}

interface Report {
  files: Record<string, { executedWorkflows: { workflowId: string; executedSteps: Step[] }[] }>
}

interface Step {
  stepId: string
  checks: { name: string; passed: boolean; message?: string }[]
}

/** @param nameOf the method and path of an operation */
export async function runWorkflows(
  target: Target,
  nameOf: (operationId: string) => string,
  signal: AbortSignal,
): Promise<Result> {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'run.json')
  const inputs = { user_id: target.user, token: target.token ?? 'none', run: randomUUID() }
  const args = Object.entries(inputs).flatMap(([name, value]) => ['--input', `${name}=${value}`])
  const command = ['respect', WORKFLOWS, ...args, '--server', `tasks=${target.url}`, '--json-output', file]
  const run = spawn('redocly', command, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const code = await exitCode(run, signal)

  const { workflows }: Document = parse(await readFile(join(root, WORKFLOWS), 'utf8'))
  const operations = new Map(
    workflows.flatMap(({ workflowId, steps }) =>
      steps.map(({ stepId, operationId }) => [`${workflowId} ${stepId}`, nameOf(operationId)] as const),
    ),
  )
  const report: Report = JSON.parse(await readFile(file, 'utf8').catch(() => '{ "files": {} }'))
  const cases = new Map<string, number>()
  const findings = new Map<string, string[]>()
  for (const { workflowId, executedSteps } of Object.values(report.files).flatMap(one => one.executedWorkflows)) {
    for (const { stepId, checks } of executedSteps) {
      const operation = operations.get(`${workflowId} ${stepId}`) as string
      cases.set(operation, (cases.get(operation) ?? 0) + 1)
      const failed = checks.filter(({ passed }) => !passed)
      const texts = failed.map(({ name, message = '' }) =>
        `${workflowId}, step ${stepId}: ${name} ${message.split('\n', 1)[0]}`.trim(),
      )
      if (texts.length > 0) findings.set(operation, [...(findings.get(operation) ?? []), ...texts])
    }
  }
  return { succeeded: code === 0, cases, findings }
}
