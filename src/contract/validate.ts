/** A request against its operation's compiled validators: every broken rule at once, each as a sentence. */
import type { ErrorObject, ValidateFunction } from 'ajv'
import ucs2length from 'ajv/dist/runtime/ucs2length.js'
import type { Document, Operation, Schema } from './load.ts'
import { Problem, type ValidationError } from './problem.ts'
import { WELL_FORMED } from './well-formed.ts'

type Raw = Record<string, unknown>

/** What the validators look at; named as openapi-backend names it. */
export interface RequestParts {
  path: Raw
  query: Raw
  header: Raw
  requestBody?: unknown
}

/** A request as the client sent it, before any default is filled in. */
export interface Sent {
  query: Raw
  body: unknown
}

/** Returns what was sent, for the parts themselves then have their defaults. */
export type Validate = (parts: RequestParts) => Sent

/**
 * Makes an operation's check: it converts query parameters to their types, fills in defaults and
 * throws `validation_failed` with everything that is wrong, up to the number of errors that a problem can have.
 */
export function createValidate(operation: Operation, validators: ValidateFunction[], document: Document): Validate {
  const query = operation.parameters.filter(parameter => parameter.in === 'query')
  const { Problem, ValidationError } = document.components.schemas
  const mostErrors = Problem.properties.errors.maxItems
  const longestPlace = ValidationError.properties.name.maxLength
  const { members } = document['x-limits']
  const conditions = unknownConditions(operation)

  function* findErrors(parts: RequestParts): Generator<ValidationError> {
    for (const validate of validators) {
      if (validate(parts)) continue
      for (const error of validate.errors as ErrorObject[]) yield describe(error, longestPlace)
    }
    for (const name of conditions) {
      if (parts.header[name] !== undefined) yield { in: 'header', name, code: 'unknown', detail: 'is not known here' }
    }
    if (operation.requestBody === undefined && parts.requestBody !== undefined) {
      yield {
        in: 'body',
        pointer: '',
        code: 'unexpected_body',
        detail: 'must be empty: this operation takes no body',
      }
    }
  }

  return parts => {
    const sentQuery = { ...parts.query }
    for (const { name, schema } of query) convert(parts.query, name, schema)
    refuseHuge(parts.requestBody, members, longestPlace)
    const sent = { query: sentQuery, body: copyOf(parts.requestBody) }
    const errors = firstDistinct(findErrors(parts), mostErrors + 1)
    if (errors.length > 0) throw validationFailed(errors, mostErrors)
    return sent
  }
}

/**
 * A copy that keeps what it has when defaults are filled in, which happens at the top only: there are none below `oneOf`.
 * Spreading a text instead would make a member of each of its characters.
 */
const copyOf = (body: unknown) =>
  typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : body

/** How far down the contract's schemas look, and more; a body may be nested a hundred thousand times. */
const DEEPEST = 8

/**
 * Refuses a list or an object with more than `most` members, wherever in the body it is looked at. Nothing else is
 * reported then: to look at each member would cost the server more than it costs the caller.
 */
function refuseHuge(body: unknown, most: number, longestPlace: number): void {
  const found = findHuge(body, most)
  if (found === undefined) return
  const { path, huge } = found
  const pointer = cut(path.map(name => `/${escapePointer(name.slice(0, longestPlace))}`).join(''), longestPlace)
  const detail = Array.isArray(huge)
    ? `must have at most ${most} items, has ${huge.length}`
    : `must have at most ${most} members, has more`
  throw validationFailed([{ in: 'body', pointer, code: 'too_long', detail }])
}

/** Makes no list of members before it knows that they are few, and no path before it has found something. */
function findHuge(value: unknown, most: number, depth = 0): { path: string[]; huge: object } | undefined {
  if (value === null || typeof value !== 'object' || depth > DEEPEST) return undefined
  if (hasMoreThan(value, most)) return { path: [], huge: value }
  const names = Array.isArray(value) ? undefined : Object.keys(value)
  const members = names === undefined ? (value as unknown[]) : Object.values(value)
  for (let index = 0; index < members.length; index += 1) {
    const found = findHuge(members[index], most, depth + 1)
    if (found !== undefined) return { path: [names?.[index] ?? `${index}`, ...found.path], huge: found.huge }
  }
  return undefined
}

function hasMoreThan(value: object, most: number): boolean {
  if (Array.isArray(value)) return value.length > most
  let count = 0
  for (const _ in value) {
    count += 1
    if (count > most) return true
  }
  return false
}

/** Conditions that the operation does not know: to ignore one would be to do what the caller wanted prevented (RFC 9110, 13.1). */
function unknownConditions(operation: Operation): string[] {
  if (operation.method === 'get') return []
  const known = operation.parameters.map(({ name }) => name.toLowerCase())
  return ['if-match', 'if-none-match'].filter(name => !known.includes(name))
}

/**
 * The first `most` errors. A value that breaks several spellings of one rule (format and pattern, say) is reported once.
 * Errors cost the server more than they cost the caller, so those that nobody gets to see are not even described.
 */
function firstDistinct(errors: Iterable<ValidationError>, most: number): ValidationError[] {
  const distinct = new Map<string, ValidationError>()
  for (const error of errors) {
    distinct.set(`${error.in} ${error.pointer ?? error.name} ${error.code}`, error)
    if (distinct.size === most) break
  }
  return [...distinct.values()]
}

/** @param most how many errors a problem can have; with more of them, `detail` says that some are left out */
export function validationFailed(errors: ValidationError[], most = errors.length): Problem<'validation_failed'> {
  return new Problem('validation_failed', summary(errors.length, most), { errors: errors.slice(0, most) })
}

function summary(count: number, most: number): string {
  if (count > most) return `More than ${most} rules are broken; see errors for the first ${most}.`
  return count === 1 ? '1 rule is broken; see errors.' : `${count} rules are broken; see errors.`
}

/** Only the plain decimal and boolean spellings: Ajv's own coercion would take 0x10 and 1e1, too. */
function convert(query: Raw, name: string, schema: Schema): void {
  const text = query[name]
  if (typeof text !== 'string') return
  if (schema.type === 'integer' && /^-?(0|[1-9][0-9]*)$/.test(text)) query[name] = Number(text)
  if (schema.type === 'boolean' && (text === 'true' || text === 'false')) query[name] = text === 'true'
}

type Place = Pick<ValidationError, 'in' | 'pointer' | 'name'>

function describe(error: ErrorObject, longestPlace: number): ValidationError {
  const { missingProperty, additionalProperty, tag } = error.params as {
    missingProperty?: string
    additionalProperty?: string
    tag?: string
  }
  const extra = missingProperty ?? additionalProperty ?? tag
  // No more of a long name than is quoted: escaping and splitting all of it would take longer than reading the body.
  const path =
    extra === undefined ? error.instancePath : `${error.instancePath}/${escapePointer(extra.slice(0, longestPlace))}`
  return { ...place(path, longestPlace), ...sentence(error) }
}

/** `/requestBody/title` is the pointer /title in the body, `/query/limit` the query parameter limit. */
function place(path: string, longest: number): Place {
  const [, part, ...rest] = path.split('/')
  if (part === 'requestBody') return { in: 'body', pointer: cut(rest.map(name => `/${name}`).join(''), longest) }
  return { in: part as 'path' | 'query' | 'header', name: cut(unescapePointer(rest.join('/')), longest) }
}

const escapePointer = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1')
const unescapePointer = (name: string) => name.replaceAll('~1', '/').replaceAll('~0', '~')

/** Names come from the caller: the answer quotes them no longer than the contract allows, and as proper text. */
const cut = (text: string, longest: number) => text.slice(0, longest).toWellFormed().replaceAll('\0', '\uFFFD')

const characters = (count: number) => (count === 1 ? '1 character' : `${count} characters`)
const lengthOf = (value: unknown) => ucs2length.default(value as string)

function sentence(error: ErrorObject): Pick<ValidationError, 'code' | 'detail'> {
  const { keyword, params, data, parentSchema } = error
  switch (keyword) {
    case 'required':
      return { code: 'required', detail: 'is required' }
    case 'additionalProperties':
      return { code: 'unknown', detail: 'is not known here' }
    case 'type':
      if (Array.isArray(data) && error.instancePath.startsWith('/query/')) {
        return { code: 'repeated', detail: 'must be given once at the most' }
      }
      return { code: 'wrong_type', detail: `must be of type ${[params.type].flat().join(' or ')}` }
    case 'minLength':
      return { code: 'too_short', detail: `must have at least ${characters(params.limit)}, has ${lengthOf(data)}` }
    case 'maxLength':
      return { code: 'too_long', detail: `must have at most ${characters(params.limit)}, has ${lengthOf(data)}` }
    case 'minItems':
      return { code: 'too_short', detail: `must have at least ${params.limit} item, has ${(data as unknown[]).length}` }
    case 'discriminator':
      return params.tagValue === undefined
        ? { code: 'required', detail: 'is required' }
        : { code: 'not_a_choice', detail: `must be one of ${choices(parentSchema as Schema, params.tag).join(', ')}` }
    case 'minimum':
      return { code: 'too_small', detail: `must be at least ${params.limit}` }
    case 'maximum':
      return { code: 'too_large', detail: `must be at most ${params.limit}` }
    case WELL_FORMED.keyword:
      return { code: 'malformed_text', detail: 'must be well-formed Unicode: a surrogate lacks its other half' }
    case 'enum':
      return { code: 'not_a_choice', detail: `must be one of ${params.allowedValues.join(', ')}` }
    default:
      return { code: 'wrong_format', detail: `${(parentSchema as Schema)['x-pattern-sentence'] ?? error.message}` }
  }
}

/** The values of the member that tells the alternatives of a schema apart. */
const choices = ({ oneOf }: Schema, tag: string) =>
  (oneOf as { properties: Record<string, Schema> }[]).flatMap(({ properties }) => (properties[tag] as Schema).enum)
