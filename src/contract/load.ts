/** openapi.yaml -> openapi-backend: the document, its operations and their compiled validators. */
import { readFile } from 'node:fs/promises'
import type { ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { OpenAPIBackend } from 'openapi-backend'
import { parse } from 'yaml'
import type { Handlers, OperationId } from './types.ts'
import { WELL_FORMED } from './well-formed.ts'

const folder = new URL('../../openapi/', import.meta.url)

/** A JSON schema, as far as this service looks into one. */
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
  /** Its own, or the whole document's; empty where anybody may call it. */
  security: Record<string, string[]>[]
  /** How large its body may be, where that is not the limit for all. */
  'x-body-bytes'?: number
  /** Whether it is a transaction of several statements, with a key or without. */
  'x-transaction'?: boolean
  /** The member of the body whose items each count as a request against the rate limit. */
  'x-rate-limit-items'?: string
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { content?: Record<string, unknown>; headers?: Record<string, unknown> }>
}

/** The parts of the contract's document that this service reads beside the operations. */
export interface Document {
  'x-limits': {
    body_bytes: number
    header_bytes: number
    members: number
    page_bytes: number
    kept_response_bytes: number
  }
  components: {
    schemas: {
      UserId: Schema
      RequestId: { pattern: string; maxLength: number }
      ProblemCode: { enum: string[] }
      Problem: { properties: { errors: { maxItems: number } } }
      ValidationError: { properties: { name: { maxLength: number } } }
    }
  }
}

/** @typeParam Context what handlers get beside their input */
export interface Contract<Context = unknown> {
  /** The file's own bytes. */
  yaml: Buffer
  /** The same contract as OpenAPI 3.0, for older toolchains. */
  yaml30: Buffer
  /** The parsed file, its $refs as they are written. */
  document: Document
  operations: Operation[]
  handler(operationId: OperationId): Handlers<Context>[OperationId]
  /** Checks `{ path, query, header, requestBody }` and fills in defaults, each function for its part of the request. */
  validators(operationId: OperationId): ValidateFunction[]
}

/** Loads the contract and puts the handlers into openapi-backend; throws where they do not fit together. */
export async function loadContract<Context>(handlers: Handlers<Context>): Promise<Contract<Context>> {
  const [yaml, yaml30] = await Promise.all([
    readFile(new URL('openapi.yaml', folder)),
    readFile(new URL('openapi-3.0.gen.yaml', folder)),
  ])
  const document = parse(yaml.toString())
  const ajv = createAjv()
  const api = new OpenAPIBackend({
    // openapi-backend dereferences the document in place.
    definition: withoutMappings(document),
    handlers: handlers as unknown as Record<string, () => unknown>,
    strict: true,
    // Its own check of the document knows OpenAPI 3.0 at most, and response validators are not used here: quick
    // leaves both out. The contract's lint takes the place of the first, the tests' response check that of the second.
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

/**
 * A copy without the discriminators' mappings: Ajv reads the values from the schemas, and refuses a mapping beside
 * them.
 */
export const withoutMappings = (document: unknown) =>
  JSON.parse(JSON.stringify(document, (name, value) => (name === 'mapping' ? undefined : value)))

/** The dialect of OpenAPI 3.1. `verbose`, because error messages quote the schema and the value. */
export function createAjv(): Ajv2020 {
  const ajv = new Ajv2020({ strict: false, allErrors: true, verbose: true, useDefaults: true, discriminator: true })
  addFormats.default(ajv)
  ajv.addKeyword(WELL_FORMED)
  return ajv
}
