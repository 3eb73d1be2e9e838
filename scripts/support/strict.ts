/**
 * What the tests demand of responses beyond the contract. The contract lets responses grow; in this version, no
 * undeclared status, field or code may appear, and strings keep the form and the limits that the server intends.
 */
import type { Schema } from '../../src/contract/load.ts'

const BASE64URL = '^[A-Za-z0-9_-]+$'
const UUID = { pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' }
const TIME = { pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$' }
const RATE = '"(user|address)"'
const METADATA = 'resource_metadata="https?://[a-z0-9._:\\[\\]-]+/\\.well-known/oauth-protected-resource"'

/** A string without NUL. */
const text = (maxLength: number) => ({ pattern: '^[^\\x00]*$', maxLength })

/** A value of an enumeration that the contract leaves open. */
function oneOfThe(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

/** By schema, or by schema and field. */
const rules: Record<string, Schema> = {
  TaskId: UUID,
  Timestamp: TIME,
  NullableTimestamp: TIME,
  'Task.user_id': { pattern: '^\\.*[A-Za-z0-9_:@|~+-][A-Za-z0-9._:@|~+-]*$', maxLength: 128 },
  'Task.title': text(255),
  'Task.description': text(10_000),
  'TaskPage.data': { maxItems: 500 },
  'TaskPage.next_cursor': { pattern: BASE64URL, maxLength: 2_200 },
  'TaskDeletion.deleted_count': { maximum: 5_000 },
  'TaskBatchResult.items': { maxItems: 100 },
  'UserErasure.deleted_task_count': { maximum: 5_000 },
  'ChangePage.data': { maxItems: 500 },
  'ChangePage.next_sync_token': { pattern: BASE64URL, minLength: 30, maxLength: 128 },
  'Change.id': UUID,
  'Change.kind': oneOfThe('ChangeKind'),
  'Problem.type': { pattern: '^/problems/[a-z_]+$', maxLength: 64 },
  'Problem.title': text(100),
  'Problem.detail': text(500),
  'Problem.instance': { pattern: '^/requests/[!-~]+$', maxLength: 512 },
  'Problem.code': oneOfThe('ProblemCode'),
  'Problem.index': { maximum: 99 },
  'Problem.errors': { maxItems: 100 },
  'ValidationError.in': oneOfThe('RequestPart'),
  'ValidationError.code': oneOfThe('ValidationErrorCode'),
  'ValidationError.pointer': { pattern: '^(/[^\\x00]*)?$', maxLength: 256 },
  'ValidationError.name': text(256),
  'ValidationError.detail': text(500),
}

const headers: Record<string, Schema> = {
  'X-Request-Id': { pattern: '^[!-~]{1,128}$' },
  ETag: { pattern: '^"[1-9][0-9]*"$', maxLength: 18 },
  Link: { pattern: '^</api/[^<>]+>; rel="next"$', maxLength: 4_096 },
  Location: { pattern: '^/api/[^/]+/tasks/[0-9a-f-]{36}$', maxLength: 512 },
  'RateLimit-Policy': { pattern: `^${RATE};q=[0-9]+;w=[0-9]+$`, maxLength: 64 },
  RateLimit: { pattern: `^${RATE};r=[0-9]+;t=[0-9]+$`, maxLength: 64 },
  'WWW-Authenticate': {
    pattern: `^Bearer( error="invalid_token"|( error="invalid_token",)? ${METADATA})?$`,
    maxLength: 512,
  },
  Accept: { pattern: '^[a-z+/, -]+$', maxLength: 128 },
  'Accept-Patch': { pattern: '^[a-z+/, -]+$', maxLength: 128 },
}

type Part = Record<string, unknown>
export type Contract = Part & { components: { schemas: Record<string, Schema> } }

/** A copy of the contract whose responses leave no room to grow. @throws if a rule is about nothing */
export function closeResponses(contract: Contract): Contract {
  const unused = new Set([...Object.keys(rules), ...Object.keys(headers)])

  function closeHeaders(declared: Record<string, { schema?: Schema }>) {
    for (const [name, { schema }] of Object.entries(declared)) {
      if (schema === undefined || schema.$ref !== undefined || headers[name] === undefined) continue
      Object.assign(schema, headers[name])
      unused.delete(name)
    }
  }

  function close(schema: Schema, name: string): Schema {
    const rule = rules[name]
    unused.delete(name)
    // Keywords beside $ref are lost when it is dereferenced.
    return rule?.$ref !== undefined ? rule : schema.$ref !== undefined ? schema : { ...schema, ...rule }
  }

  const copy: Contract = JSON.parse(JSON.stringify(contract), (name, value) => {
    if (name === 'responses') delete value.default
    if (name === 'headers') closeHeaders(value)
    return value
  })
  const { schemas } = copy.components
  for (const [name, schema] of Object.entries(schemas)) {
    const { properties } = schema as { properties?: Record<string, Schema> }
    // Schemas of requests are closed already.
    if (schema.additionalProperties === false) continue
    schemas[name] = close(schema, name)
    if (properties === undefined) continue
    const closed = Object.entries(properties).map(([field, value]) => [field, close(value, `${name}.${field}`)])
    Object.assign(schemas[name], { additionalProperties: false, properties: Object.fromEntries(closed) })
  }
  if (unused.size > 0) throw new Error(`rules about nothing: ${[...unused].join(', ')}`)
  return copy
}
