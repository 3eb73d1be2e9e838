/** Validates a request with the compiled validators of its operation, and reports all errors at once. */
import type { ErrorObject, ValidateFunction } from 'ajv'
import type { Document, Operation, Schema } from './load.ts'
import { PRECONDITION_HEADERS } from './precondition.ts'
import { Problem, type ValidationError } from './problem.ts'
import { findOversized, MAX_DEPTH } from './size.ts'
import { toValidationError } from './validation-errors.ts'

type Raw = Record<string, unknown>

/** The input of the validators, with openapi-backend's names. */
export interface RequestParts {
  path: Raw
  query: Raw
  header: Raw
  requestBody?: unknown
}

/** A request as the client sent it, without defaults. */
export interface Sent {
  query: Raw
  body: unknown
}

/**
 * Converts the query parameters of `parts` to their types and fills in defaults.
 * @returns the request as it was sent, if `keepSent` is true
 * @throws Problem `validation_failed` with all errors, up to the maximum of a problem
 */
export type Validate = (parts: RequestParts, keepSent: boolean) => Sent | undefined

export function createValidate(operation: Operation, validators: ValidateFunction[], document: Document): Validate {
  const query = operation.parameters.filter(parameter => parameter.in === 'query')
  const { members, validation_errors: maxErrors, validation_error_place_characters: maxLength } = document['x-limits']
  const unsupported = unsupportedHeaders(operation)

  function* findErrors(parts: RequestParts): Generator<ValidationError> {
    for (const validate of validators) {
      if (validate(parts)) continue
      for (const error of validate.errors as ErrorObject[]) yield toValidationError(error, maxLength)
    }
    for (const name of unsupported) {
      if (parts.header[name] !== undefined)
        yield { in: 'header', name, code: 'unknown', detail: 'is not supported by this operation' }
    }
    if (operation.requestBody === undefined && parts.requestBody !== undefined) {
      const detail = 'must be empty: this operation takes no body'
      yield { in: 'body', pointer: '', code: 'unexpected_body', detail }
    }
  }

  return (parts, keepSent) => {
    const oversized = findOversized(parts.requestBody, members, maxLength)
    if (oversized !== undefined) throw validationFailed([oversized])
    const sent = keepSent ? { query: { ...parts.query }, body: copy(parts.requestBody) } : undefined
    for (const { name, schema } of query) convert(parts.query, name, schema)
    const errors = firstDistinct(findErrors(parts), maxErrors + 1)
    if (errors.length > 0) throw validationFailed(errors, maxErrors)
    return sent
  }
}

/** A copy that does not change when defaults are filled in; as deep as the schemas. */
function copy(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value
  if (Array.isArray(value)) return value.map(item => copy(item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copy(member, depth + 1)]))
}

/**
 * Preconditions and keys that a write does not support. They are errors, because ignoring one would do what the caller
 * wants to prevent: a write of something else (RFC 9110, 13.1), or a second one.
 */
function unsupportedHeaders(operation: Operation): string[] {
  if (operation.method === 'get') return []
  const known = operation.parameters.map(({ name }) => name.toLowerCase())
  const names = [...PRECONDITION_HEADERS, 'Idempotency-Key'].map(name => name.toLowerCase())
  return names.filter(name => !known.includes(name))
}

/**
 * The first `max` errors. A value that violates two forms of one rule (format and pattern, say) is reported once.
 * Further errors are not even described, because they cost the server more than the caller.
 */
function firstDistinct(errors: Iterable<ValidationError>, max: number): ValidationError[] {
  const distinct = new Map<string, ValidationError>()
  for (const error of errors) {
    distinct.set(`${error.in} ${error.pointer ?? error.name} ${error.code}`, error)
    if (distinct.size === max) break
  }
  return [...distinct.values()]
}

/** @param max the maximum number of errors in a problem; if there are more, `detail` says that some are omitted */
export function validationFailed(errors: ValidationError[], max = errors.length): Problem<'validation_failed'> {
  return new Problem('validation_failed', summary(errors.length, max), { errors: errors.slice(0, max) })
}

function summary(count: number, max: number): string {
  if (count > max) return `More than ${max} validation errors. See errors for the first ${max}.`
  return count === 1 ? '1 validation error. See errors.' : `${count} validation errors. See errors.`
}

/** Accepts plain decimals and booleans only; Ajv's own coercion would accept 0x10 and 1e1 as well. */
function convert(query: Raw, name: string, schema: Schema): void {
  const text = query[name]
  if (typeof text !== 'string') return
  // A parameter that may be repeated, but is not.
  if (schema.type === 'array') query[name] = [text]
  if (schema.type === 'integer' && /^-?(0|[1-9][0-9]*)$/.test(text)) query[name] = Number(text)
  if (schema.type === 'boolean' && (text === 'true' || text === 'false')) query[name] = text === 'true'
}
