/** openapi.gen.yaml -> openapi-backend: the document, its operations and their compiled validators. */
import { readFile } from 'node:fs/promises'
import type { ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { OpenAPIBackend } from 'openapi-backend'
import { parse } from 'yaml'
import { keywords } from './keywords.ts'
import type { Handlers, OperationId } from './types.ts'

const folder = new URL('../../openapi/', import.meta.url)

/** The parts of a JSON schema that this service reads. */
export interface Schema {
  type?: string | string[]
  'x-pattern-sentence'?: string
  [keyword: string]: unknown
}

/** The parts of a dereferenced OpenAPI 3.1 operation that this service reads. */
export interface Operation {
  operationId: OperationId
  method: string
  path: string
  parameters: { name: string; in: 'path' | 'query' | 'header'; schema: Schema }[]
  /** The operation's own, or else the document's; empty if the operation needs no token. */
  security: Record<string, string[]>[]
  /** The maximum size of its body, if it differs from the general limit. */
  'x-body-bytes'?: number
  /** Whether it is always a transaction of several statements, even without an idempotency key. */
  'x-transaction'?: boolean
  /** The member of the body whose items each count as a request against the rate limit. */
  'x-rate-limit-items'?: string
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { content?: Record<string, unknown>; headers?: Record<string, unknown> }>
}

/** The parts of the contract's document that this service reads, besides the operations. */
export interface Document {
  info: { title: string }
  'x-limits': {
    body_bytes: number
    header_bytes: number
    members: number
    page_bytes: number
    kept_response_bytes: number
    request_id_characters: number
    validation_errors: number
    validation_error_place_characters: number
  }
  components: {
    schemas: {
      UserId: Schema
      ProblemCode: { enum: string[] }
    }
  }
}

/** @typeParam Context what handlers get besides their input */
export interface Contract<Context = unknown> {
  /** The file's own bytes. */
  yaml: Buffer
  /** The same contract as OpenAPI 3.0, for older toolchains. */
  yaml30: Buffer
  /** The parsed file, with its $refs unresolved. */
  document: Document
  operations: Operation[]
  handler(operationId: OperationId): Handlers<Context>[OperationId]
  /** Functions that validate `{ path, query, header, requestBody }` and fill in defaults, each for a part of it. */
  validators(operationId: OperationId): ValidateFunction[]
}

/** Loads the contract and registers the handlers with openapi-backend; throws if they do not match. */
export async function loadContract<Context>(handlers: Handlers<Context>): Promise<Contract<Context>> {
  const [yaml, yaml30] = await Promise.all([
    readFile(new URL('openapi.gen.yaml', folder)),
    readFile(new URL('openapi-3.0.gen.yaml', folder)),
  ])
  const document = parse(yaml.toString())
  const ajv = createAjv()
  const api = new OpenAPIBackend({
    // openapi-backend dereferences the document in place.
    definition: withoutMappings(document),
    handlers: handlers as unknown as Record<string, () => unknown>,
    strict: true,
    // Skips the check of the document, which supports only OpenAPI 3.0, and the response validators, which are not
    // used here. The contract's lint replaces the former, the tests' response check the latter.
    quick: true,
    customizeAjv: () => ajv,
  })
  await api.init()
  return {
    yaml,
    yaml30,
    document,
    operations: api.router.getOperations() as unknown as Operation[],
    handler: operationId => api.handlers[operationId] as unknown as Handlers<Context>[OperationId],
    validators: operationId => api.validator.getRequestValidatorsForOperation(operationId) as ValidateFunction[],
  }
}

/** A copy without the discriminators' mappings: Ajv reads the values from the schemas, and rejects a mapping. */
export const withoutMappings = (document: unknown) =>
  JSON.parse(JSON.stringify(document, (name, value) => (name === 'mapping' ? undefined : value)))

/** Ajv for the dialect of OpenAPI 3.1. `verbose`, because error messages quote the schema and the value. */
export function createAjv(): Ajv2020 {
  const ajv = new Ajv2020({ strict: false, allErrors: true, verbose: true, useDefaults: true, discriminator: true })
  addFormats.default(ajv)
  for (const { keyword, type, validate } of keywords) ajv.addKeyword({ keyword, type, validate })
  return ajv
}
