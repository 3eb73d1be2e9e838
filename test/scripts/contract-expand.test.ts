/** What the hand-written files of the contract state once, and what the bundle makes of it. */
import { readdir, readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { bundle } from '../../scripts/contract/bundle.ts'
import { type Common, expand } from '../../scripts/contract/expand.ts'

const folder = new URL('../../openapi/', import.meta.url)
const ref = (name: string) => ({ $ref: `common.yaml#/${name}` })

const common: Common = {
  traits: {
    every: { headers: { Id: ref('headers/Id') }, responses: { 400: ref('responses/Bad') } },
    keyed: {
      parameters: [ref('parameters/Key')],
      headers: { Replayed: ref('headers/Replayed') },
      responses: { 409: ref('responses/InUse'), 422: ref('responses/Reused') },
    },
  },
  problems: {
    gone: {
      status: 410,
      title: 'Gone',
      meaning: 'M',
      action: 'A',
      retry: false,
      example: { summary: 'S', detail: 'D' },
    },
  },
}

const withOperation = (operation: object) => ({ paths: { item: { parameters: [], post: operation } } })

t.test('an operation gets the parameters, responses and headers of its traits, and its own win', async t => {
  const own = { 200: { description: 'OK', headers: { ETag: ref('headers/ETag') } }, 409: ref('responses/Own') }
  const file = withOperation({ 'x-traits': ['keyed'], parameters: [ref('parameters/Own')], responses: own })
  expand(file, common)
  t.same(file.paths.item.post, {
    parameters: [ref('parameters/Own'), ref('parameters/Key')],
    responses: {
      200: {
        description: 'OK',
        headers: { Id: ref('headers/Id'), Replayed: ref('headers/Replayed'), ETag: ref('headers/ETag') },
      },
      400: ref('responses/Bad'),
      409: ref('responses/Own'),
      422: ref('responses/Reused'),
    },
  })
})

t.test('an operation without traits has what all operations have, and no empty list of parameters', async t => {
  const file = withOperation({ responses: { 204: { description: 'Done' } } })
  expand(file, common)
  const responses = { 204: { description: 'Done', headers: { Id: ref('headers/Id') } }, 400: ref('responses/Bad') }
  t.same(file.paths.item.post, { responses })
})

t.test('a response gets an example of each of its problems, and what is special about an occurrence', async t => {
  const gone = { code: 'gone', detail: 'Item 3', index: 3 }
  const responses = { A: { description: 'A', 'x-problems': ['gone'] }, B: { description: 'B', 'x-problems': [gone] } }
  const file = { responses }
  expand(file, common)
  const usual = { type: '/problems/gone', title: 'Gone', status: 410, code: 'gone' }
  const exampleOf = (response: unknown) => {
    const { content } = response as { content: Record<string, { schema: unknown; examples: Record<string, unknown> }> }
    t.same(content['application/problem+json']?.schema, ref('schemas/Problem'))
    return content['application/problem+json']?.examples.gone
  }
  t.match(exampleOf(file.responses.A), { summary: 'S', value: { ...usual, detail: 'D' } })
  t.match(exampleOf(file.responses.B), { summary: 'S', value: { ...usual, detail: 'Item 3', index: 3 } })
})

t.test('an enumeration of problems lists the codes', async t => {
  const file = { schemas: { Code: { type: 'string', 'x-enum-from': 'problems' } } }
  expand(file, common)
  t.same(file.schemas.Code, { type: 'string', enum: ['gone'] })
})

t.test('an unknown trait or problem is an error', async t => {
  const unknown = { responses: { A: { description: 'A', 'x-problems': ['lost'] } } }
  t.throws(() => expand(unknown, common), { message: /lost/ })
  t.throws(() => expand(withOperation({ 'x-traits': ['odd'] }), common), { message: /odd/ })
  const both = withOperation({ responses: { 200: { ...ref('responses/Own'), 'x-problems': ['gone'] } } })
  t.throws(() => expand(both, common), { message: /has its own traits/ })
  t.throws(() => expand({ schemas: { Code: { 'x-enum-from': 'odd' } } }, common), { message: /odd/ })
})

t.test(
  'the bundle is plain OpenAPI: every extension that is expanded is gone, and every reference is internal',
  async t => {
    const text = await bundle(folder)
    t.notMatch(text, /x-traits|x-problems|x-enum-from/)
    t.notMatch(text, /\$ref: (?!"#\/components)/)
    const { paths } = parse(text)
    const files = (await readdir(folder)).filter(name => /^[a-z]+\.yaml$/.test(name))
    const written = await Promise.all(files.map(name => readFile(new URL(name, folder), 'utf8')))
    const operations = written.join('').match(/operationId: \w+\n +(security: \[\]\n +)?tags:/g) ?? []
    t.equal(
      Object.values(paths)
        .flatMap(path => Object.keys(path as object))
        .filter(isMethod).length,
      operations.length,
    )
  },
)

const isMethod = (name: string) => ['get', 'put', 'post', 'patch', 'delete'].includes(name)
