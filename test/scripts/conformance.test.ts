/** The workflows cover the contract, and the table of `npm run conformance` shows every operation and finding. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { table } from '../../scripts/conformance/table.ts'
import { operations } from '../../scripts/support/contract.ts'

interface Workflow {
  steps: { operationId: string }[]
}

t.test('the workflows use every operation of the contract, and no other', async t => {
  const file = new URL('../../openapi/workflows.arazzo.yaml', import.meta.url)
  const { workflows } = parse(await readFile(file, 'utf8')) as { workflows: Workflow[] }
  const used = new Set(workflows.flatMap(({ steps }) => steps.map(({ operationId }) => operationId)))
  t.same([...used].sort(), operations.map(({ operationId }) => operationId).sort())
})

t.test('the table has a row for each operation, also for one that was not run, and then each finding once', async t => {
  const workflows = {
    succeeded: false,
    cases: new Map([
      ['GET /a', 2],
      ['PUT /a', 1],
    ]),
    findings: new Map([['PUT /a', ['wrong', 'wrong']]]),
  }
  const schemathesis = {
    succeeded: false,
    cases: new Map([['GET /a', 30]]),
    findings: new Map([['GET /a', ['odd']]]),
  }
  const lines = table(['GET /a', 'PUT /a', 'GET /long'], { workflows, schemathesis })
  t.same(
    lines.map(line => line.trim().split(/ {2,}/)),
    [
      ['operation', 'workflows', 'schemathesis'],
      ['GET /a', '2 run, conforms', '30 run, 1 finding'],
      ['PUT /a', '1 run, 2 findings', 'not run'],
      ['GET /long', 'not run', 'not run'],
      ['workflows: PUT /a: wrong'],
      ['schemathesis: GET /a: odd'],
    ],
  )
  t.equal(new Set(lines.slice(0, 4).map(({ length }) => length)).size, 1, 'columns are aligned')
})
