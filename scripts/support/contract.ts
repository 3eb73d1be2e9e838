/** Checks responses against the contract and records which declared responses were seen. */
import { appendFileSync } from 'node:fs'
import type { ValidateFunction } from 'ajv'
import { OpenAPIBackend } from 'openapi-backend'
import { createAjv, loadContract, type Operation, type Schema, withoutMappings } from '../../src/contract/load.ts'
import type { components } from '../../src/contract/openapi.gen.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { handlers } from '../../src/handlers.ts'
import { type Contract, closeResponses } from './strict.ts'

/** A response as any client sees it. */
export interface Answer {
  status: number
  headers: Headers
  text: string
  /** The parsed JSON of a problem, which most raw requests get. */
  body: components['schemas']['Problem']
}

interface DeclaredResponse {
  headers?: Record<string, { required?: boolean; schema: Schema }>
  content?: Record<string, { schema: Schema }>
}

export const contract = await loadContract(handlers)
export const operations = contract.operations
const ajv = createAjv()
const compiled = new Map<Schema, ValidateFunction>()

/** The responses of each operation, without room to grow. */
const closed = await dereference(closeResponses(contract.document as unknown as Contract))
const responsesTo = new Map(closed.map(({ operationId, responses }) => [operationId, responses]))
const problem = closed[0]?.responses['400'] as DeclaredResponse

async function dereference(document: unknown): Promise<Operation[]> {
  const api = new OpenAPIBackend({ definition: withoutMappings(document), quick: true })
  await api.init()
  return api.router.getOperations() as unknown as Operation[]
}

const parameters = (path: string) => path.split('{').length

/** The operation that a request is for, if any; HEAD is its GET. */
export function operationOf(method: string, path: string): Operation | undefined {
  const wanted = method === 'HEAD' ? 'get' : method.toLowerCase()
  const pathname = path.split('?', 1)[0] as string
  const candidates = operations.filter(({ path }) => template(path).test(pathname))
  // Like a router, prefers a path without parameters.
  const best = candidates.toSorted((a, b) => parameters(a.path) - parameters(b.path))[0]?.path
  return candidates.find(operation => operation.path === best && operation.method === wanted)
}

const template = (path: string) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`)

/** All differences between a response and its declaration; empty if it conforms. */
export function violations(method: string, path: string, answer: Answer): string[] {
  const operation = operationOf(method, path)
  // 404 for unknown paths and 405 belong to no operation, but are problems as well.
  if (operation === undefined)
    return [...headerViolations(problem, answer), ...contentViolations(problem, answer, method)]
  const declared = responsesTo.get(operation.operationId)?.[answer.status] as DeclaredResponse | undefined
  if (declared === undefined) return [`status ${answer.status} is not declared`]
  remember(operation.operationId, answer.status)
  return [
    ...undeclaredHeaders(declared, answer),
    ...headerViolations(declared, answer),
    ...contentViolations(declared, answer, method),
  ]
}

/**
 * What belongs to the message, to caches, to the connection or to the browser that shows it, and so to no operation.
 */
const HTTP_HEADERS = [
  'cache-control',
  'connection',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'transfer-encoding',
]
const BROWSER_HEADERS = [
  'access-control-allow-origin',
  'access-control-expose-headers',
  'content-security-policy',
  'cross-origin-resource-policy',
  'referrer-policy',
  'strict-transport-security',
  'vary',
  'x-content-type-options',
  'x-frame-options',
]
const UNDECLARED = [...HTTP_HEADERS, ...BROWSER_HEADERS]

function undeclaredHeaders(declared: DeclaredResponse, answer: Answer): string[] {
  const names = Object.keys(declared.headers ?? {}).map(name => name.toLowerCase())
  return [...answer.headers.keys()]
    .filter(name => !names.includes(name) && !UNDECLARED.includes(name))
    .map(name => `header ${name} is not declared`)
}

function headerViolations(declared: DeclaredResponse, answer: Answer): string[] {
  return Object.entries(declared.headers ?? {}).flatMap(([name, { required, schema }]) => {
    const text = answer.headers.get(name)
    if (text === null) return required ? [`header ${name} is missing`] : []
    return schemaViolations(schema, schema.type === 'integer' ? Number(text) : text).map(
      what => `header ${name} ${what}`,
    )
  })
}

function contentViolations(declared: DeclaredResponse, answer: Answer, method: string): string[] {
  const contentType = answer.headers.get('content-type')
  if (declared.content === undefined) {
    return contentType === null && answer.text === '' ? [] : [`no content is declared, but there is ${contentType}`]
  }
  const media = declared.content[contentType?.split(';', 1)[0] ?? '']
  if (media === undefined) return [`media type ${contentType} is not declared`]
  if (method === 'HEAD') return answer.text === '' ? [] : ['HEAD has content']
  return schemaViolations(media.schema, answer.body).map(what => `body ${what}`)
}

function schemaViolations(schema: Schema, value: unknown): string[] {
  const validate = compiled.get(schema) ?? ajv.compile(schema)
  compiled.set(schema, validate)
  return validate(value) ? [] : (validate.errors ?? []).map(error => `${error.instancePath} ${error.message}`)
}

function remember(operationId: OperationId, status: number): void {
  if (process.env.TEST_SEEN) appendFileSync(process.env.TEST_SEEN, `${operationId} ${status}\n`)
}
