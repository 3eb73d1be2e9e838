/** Converts Ajv's errors to the contract's validation errors: a place, a code and a sentence. */
import type { ErrorObject } from 'ajv'
import ucs2length from 'ajv/dist/runtime/ucs2length.js'
import { violationOf } from './keywords.ts'
import type { Schema } from './load.ts'
import type { ValidationError } from './problem.ts'

type Place = Pick<ValidationError, 'in' | 'pointer' | 'name'>

/** @param maxLength the maximum number of characters of a path that are quoted */
export function toValidationError(error: ErrorObject, maxLength: number): ValidationError {
  const { missingProperty, additionalProperty, tag } = error.params as {
    missingProperty?: string
    additionalProperty?: string
    tag?: string
  }
  const extra = missingProperty ?? additionalProperty ?? tag
  // Cut first: escaping and splitting all of a long name would take longer than reading the body.
  const path =
    extra === undefined ? error.instancePath : `${error.instancePath}/${escapePointer(extra.slice(0, maxLength))}`
  return { ...place(path, maxLength), ...sentence(error) }
}

/** `/requestBody/title` is the pointer /title in the body, `/query/limit` the query parameter limit. */
function place(path: string, maxLength: number): Place {
  const [, part, ...rest] = path.split('/')
  if (part === 'requestBody') return { in: 'body', pointer: truncate(rest.map(name => `/${name}`).join(''), maxLength) }
  return { in: part as 'path' | 'query' | 'header', name: truncate(unescapePointer(rest.join('/')), maxLength) }
}

export const escapePointer = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1')
const unescapePointer = (name: string) => name.replaceAll('~1', '/').replaceAll('~0', '~')

/** Names come from the caller, so they are quoted up to the contract's maximum length and as well-formed text. */
export const truncate = (text: string, maxLength: number) =>
  text.slice(0, maxLength).toWellFormed().replaceAll('\0', '\uFFFD')

const characters = (count: number) => (count === 1 ? '1 character' : `${count} characters`)
const lengthOf = (value: unknown) => ucs2length.default(value as string)

function sentence(error: ErrorObject): Pick<ValidationError, 'code' | 'detail'> {
  const { keyword, params, data, parentSchema } = error
  switch (keyword) {
    case 'required':
      return { code: 'required', detail: 'is required' }
    case 'additionalProperties':
      return {
        code: 'unknown',
        detail: `is not a known ${error.instancePath.startsWith('/requestBody') ? 'field' : 'parameter'}`,
      }
    case 'type':
      if (Array.isArray(data) && error.instancePath.startsWith('/query/')) {
        return { code: 'repeated', detail: 'must not be repeated' }
      }
      return { code: 'wrong_type', detail: `must be of type ${[params.type].flat().join(' or ')}` }
    case 'minLength':
      return { code: 'too_short', detail: `must have at least ${characters(params.limit)}, has ${lengthOf(data)}` }
    case 'maxLength':
      return { code: 'too_long', detail: `must have at most ${characters(params.limit)}, has ${lengthOf(data)}` }
    case 'minItems':
      return { code: 'too_short', detail: `must have at least ${params.limit} item, has ${(data as unknown[]).length}` }
    case 'minProperties':
      return { code: 'too_short', detail: `must have at least ${params.limit} field` }
    case 'maxProperties':
      return { code: 'too_long', detail: `must have at most ${params.limit} field` }
    case 'discriminator':
      return params.tagValue === undefined
        ? { code: 'required', detail: 'is required' }
        : { code: 'not_a_choice', detail: `must be one of ${choices(parentSchema as Schema, params.tag).join(', ')}` }
    case 'minimum':
      return { code: 'too_small', detail: `must be at least ${params.limit}` }
    case 'maximum':
      return { code: 'too_large', detail: `must be at most ${params.limit}` }
    case 'uniqueItems':
      return { code: 'repeated', detail: 'must not have the same item twice' }
    case 'maxItems':
      return { code: 'too_long', detail: `must have at most ${params.limit} items, has ${(data as unknown[]).length}` }
    case 'enum':
      return { code: 'not_a_choice', detail: `must be one of ${params.allowedValues.join(', ')}` }
    default:
      return (
        violationOf(keyword) ?? {
          code: 'wrong_format',
          detail: `${(parentSchema as Schema)['x-pattern-sentence'] ?? error.message}`,
        }
      )
  }
}

/** The values of a schema's discriminator. */
const choices = ({ oneOf }: Schema, tag: string) =>
  (oneOf as { properties: Record<string, Schema> }[]).map(({ properties }) => (properties[tag] as Schema).const)
