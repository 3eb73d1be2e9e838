/** `npm run breaking` on the real contract: which changes it accepts and which it refuses. */
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { hasOasdiff } from '../../scripts/support/oasdiff.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const contract: Contract = parse(await readFile(join(root, 'openapi/openapi.gen.yaml'), 'utf8'))
const skip = hasOasdiff() || process.env.CI ? false : 'oasdiff is not installed, and neither is Go, which installs it'

type Contract = Record<'info' | 'paths' | 'components' | 'x-limits', any>

/** Runs the script on a release and a changed contract; returns its exit code and what it prints. */
async function breaking(change: (contract: Contract) => void, release?: (contract: Contract) => void) {
  await using folder = await temporaryFolder()
  await mkdir(join(folder.path, 'openapi/released'), { recursive: true })
  const document = structuredClone(contract)
  release?.(document)
  // JSON is YAML, too, and quicker to read and write.
  await writeFile(join(folder.path, 'openapi/released/openapi.yaml'), JSON.stringify(document))
  change(document)
  await writeFile(join(folder.path, 'openapi/openapi.gen.yaml'), JSON.stringify(document))
  return await run(folder.path)
}

async function run(folder: string) {
  const child = spawn(process.execPath, [join(root, 'scripts/breaking.ts')], { cwd: folder })
  const [output, errors, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise(resolve => child.on('close', resolve)),
  ])
  return { output: output + errors, code }
}

const task = (contract: Contract) => contract.components.schemas.Task
const input = (contract: Contract) => contract.components.schemas.TaskCreate

t.test('refused', { skip }, async t => {
  const refused: Record<string, [RegExp, (contract: Contract) => void]> = {
    'a removed response field': [
      /ERR {3}removed the required property `(.+\/)?completed`/,
      contract => {
        delete task(contract).properties.completed
        task(contract).required = task(contract).required.filter((name: string) => name !== 'completed')
      },
    ],
    'a new required input': [
      /ERR {3}added the new required request property `note`/,
      contract => {
        input(contract).properties.note = { type: 'string' }
        input(contract).required.push('note')
      },
    ],
    'a tightened pattern of an input': [
      /ERR {3}changed the pattern of the request property `title`/,
      ({ components }) => {
        components.schemas.TitleInput.pattern = '^[a-z]+$'
      },
    ],
    'a tightened pattern of a parameter that is declared for a whole path': [
      /ERR {3}changed the pattern of the `path` request parameter `user_id`/,
      ({ components }) => {
        components.schemas.UserId.pattern = '^[a-z]+$'
      },
    ],
    'a removed operation': [
      /ERR {3}api removed without deprecation \(DELETE \/api\/{user_id}\/tasks\/{id}\)/,
      ({ paths }) => {
        delete paths['/api/{user_id}/tasks/{id}'].delete
      },
    ],
    'a removed input': [
      /ERR {3}removed the request property `description`.*; unknown input is rejected/,
      contract => {
        delete input(contract).properties.description
      },
    ],
    'a removed parameter': [
      /ERR {3}deleted the `query` request parameter `sort`.*; unknown input is rejected/,
      ({ paths }) => {
        const { get } = paths['/api/{user_id}/tasks']
        get.parameters = get.parameters.filter(({ name }: { name?: string }) => name !== 'sort')
      },
    ],
    'a removed code': [
      /ERR {3}removed `id_taken` from `ProblemCode`/,
      ({ components }) => {
        const { ProblemCode } = components.schemas
        ProblemCode.enum = ProblemCode.enum.filter((code: string) => code !== 'id_taken')
      },
    ],
    'a removed optional header': [
      /ERR {3}.*`link` removed.*; nothing is removed within a major version/,
      ({ paths }) => {
        delete paths['/api/{user_id}/tasks'].get.responses['200'].headers.Link
      },
    ],
    'another default': [
      /ERR {3}.*`limit`.*; a request without the value changes its meaning/,
      ({ components }) => {
        components.parameters.LimitParameter.schema.default = 20
      },
    ],
    'a renamed operation': [
      /ERR {3}.*`getTask`.*; generated clients name their methods by it/,
      ({ paths }) => {
        paths['/api/{user_id}/tasks/{id}'].get.operationId = 'readTask'
      },
    ],
    'a lower limit': [
      /ERR {3}lowered the limit `body_bytes`/,
      contract => {
        contract['x-limits'].body_bytes -= 1
      },
    ],
    'a lower version': [
      /info.version is 0.0.1, which is lower than the released/,
      ({ info }) => {
        info.version = '0.0.1'
      },
    ],
  }
  for (const [name, [message, change]] of Object.entries(refused)) {
    const { output, code } = await breaking(change)
    t.match(output, message, name)
    t.equal(code, 1, name)
  }
})

t.test('accepted', { skip }, async t => {
  const accepted: Record<string, [RegExp, (contract: Contract) => void]> = {
    nothing: [/has no changes/, () => {}],
    'a new optional input': [
      /INFO {2}added the new optional request property `note`/,
      contract => {
        input(contract).properties.note = { type: 'string' }
      },
    ],
    'a new response field': [
      /INFO {2}added the required property `(.+\/)?note`/,
      contract => {
        task(contract).properties.note = { type: 'string' }
        task(contract).required.push('note')
      },
    ],
    'a new code, because any string is allowed': [
      /has no changes/,
      ({ components }) => components.schemas.ProblemCode.enum.push('new_code'),
    ],
    'a new operation': [
      /INFO {2}endpoint added \(GET \/other\)/,
      ({ paths }) => {
        paths['/other'] = { get: { ...paths['/health'].get, operationId: 'getOther' } }
      },
    ],
  }
  for (const [name, [message, change]] of Object.entries(accepted)) {
    const { output, code } = await breaking(change)
    t.match(output, message, name)
    t.equal(code, 0, name)
  }
})

t.test('without a release there is nothing to compare', async t => {
  await using folder = await temporaryFolder()
  const { output, code } = await run(folder.path)
  t.match(output, /There is no released contract yet/)
  t.equal(code, 0)
})
