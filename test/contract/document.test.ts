/** What the contract promises to be for those who generate clients from it. */
import t from 'tap'
import { contract, operations } from '../../scripts/support/contract.ts'
import type { Schema } from '../../src/contract/load.ts'

interface Response {
  content?: Record<string, { schema: Schema; examples?: Record<string, { value: { code?: string } }> }>
  links?: Record<string, { operationId: string }>
}

const document = contract.document as unknown as {
  tags: { name: string }[]
  components: Record<string, Record<string, unknown>>
}
const responsesOf = ({ responses }: (typeof operations)[number]) =>
  Object.entries(responses as Record<string, Response>)

t.test('no two components have one name: generators put all kinds of them into one namespace', async t => {
  const { securitySchemes: _, examples: __, links: ___, ...kinds } = document.components
  const names = Object.values(kinds).flatMap(kind => Object.keys(kind))
  t.same(names.toSorted(), [...new Set(names)].toSorted())
})

t.test('every problem code is in the example of a response', async t => {
  const shown = new Set(
    operations.flatMap(responsesOf).flatMap(([, { content }]) => {
      const examples = content?.['application/problem+json']?.examples ?? {}
      return Object.values(examples).map(({ value }) => value.code)
    }),
  )
  const { ProblemCode } = contract.document.components.schemas
  t.same([...shown].toSorted(), ProblemCode.enum.toSorted())
})

t.test('every operation describes errors that it does not declare', async t => {
  for (const operation of operations) {
    const { default: other } = operation.responses as Record<string, Response>
    t.ok(other?.content?.['application/problem+json'], operation.operationId)
  }
})

/** All schemas within a schema, itself included. */
function* within(schema: Schema): Generator<Schema> {
  yield schema
  const { properties = {}, items, oneOf = [], anyOf = [] } = schema as Record<string, never>
  for (const part of [...Object.values(properties), ...oneOf, ...anyOf]) yield* within(part as Schema)
  if (items !== undefined) yield* within(items as Schema)
}

t.test(
  'responses may grow: no schema is closed, no enumeration of codes or kinds, no upper limit of text or lists',
  async t => {
    const media = operations.flatMap(responsesOf).flatMap(([, { content = {} }]) => Object.values(content))
    const schemas = media.flatMap(({ schema }) => [...within(schema)])
    for (const keyword of ['additionalProperties', 'pattern', 'maxLength', 'maxItems']) {
      t.same(new Set(schemas.filter(schema => keyword in schema).map(schema => schema.description)), new Set(), keyword)
    }
    for (const name of ['code', 'kind', 'in']) {
      const declared = schemas
        .map(({ properties }) => (properties as Record<string, Schema> | undefined)?.[name])
        .filter(schema => schema !== undefined)
      t.ok(declared.length > 0)
      t.ok(
        declared.every(schema => schema.type === 'string' && !('enum' in schema)),
        name,
      )
    }
  },
)

t.test('requests are closed: every object rejects unknown fields', async t => {
  for (const { operationId, requestBody } of operations) {
    for (const { schema } of Object.values(requestBody?.content ?? {})) {
      for (const one of within(schema)) if (one.properties) t.equal(one.additionalProperties, false, operationId)
    }
  }
})

t.test(
  'PUT requires the fields of the first version only, so that no client erases a field that it does not know',
  async t => {
    const { TaskReplace } = document.components.schemas as Record<string, Schema>
    t.same(TaskReplace?.required, ['title', 'description', 'completed'])
  },
)

t.test('links lead from a page to the next, and from a task or a tag to what can be done with it', async t => {
  const linksOf = (id: string, status: string) => {
    const operation = operations.find(({ operationId }) => operationId === id) as (typeof operations)[number]
    const response = (operation.responses as Record<string, Response>)[status]
    return Object.values(response?.links ?? {}).map(link => link.operationId)
  }
  t.same(linksOf('listTasks', '200'), ['listTasks'])
  t.same(linksOf('listChanges', '200'), ['listChanges'])
  t.same(linksOf('listTags', '200'), ['listTags', 'renameTag', 'deleteTag'])
  const task = [
    ...['getTask', 'replaceTask', 'updateTask', 'setTaskCompletion'],
    ...['addTaskTag', 'removeTaskTag', 'moveTask', 'deleteTask'],
  ]
  t.same(linksOf('createTask', '201'), [...task, 'restoreTask'])
  const writes = [
    ...['replaceTask', 'updateTask', 'setTaskCompletion'],
    ...['addTaskTag', 'removeTaskTag', 'moveTask', 'restoreTask'],
  ]
  for (const id of ['getTask', ...writes]) {
    t.same(linksOf(id, '200'), task, id)
  }
  t.same(linksOf('deleteTask', '204'), ['restoreTask'])
})

t.test('the tags are in reading order, and X-Request-Id is not an argument of every operation', async t => {
  t.same(
    document.tags.map(({ name }) => name),
    ['tasks', 'tags', 'changes', 'users', 'health'],
  )
  for (const { parameters } of operations) t.notOk(parameters.some(({ name }) => name === 'X-Request-Id'))
})
