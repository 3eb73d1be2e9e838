/**
 * What the tests demand of responses beyond the contract. The contract lets responses grow; in this version, no
 * undeclared field or code may appear, and strings keep the form and the limits that the server intends.
 */
import type { Schema } from '../../src/contract/load.ts'

const BASE64URL = { pattern: '^[A-Za-z0-9_-]+$' }
const RATE = '"(user|address)"'

/** By the name of the field, in all responses. */
const fields: Record<string, Schema> = {
  id: { pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' },
  user_id: { pattern: '^\\.*[A-Za-z0-9_:@|~+-][A-Za-z0-9._:@|~+-]*$', maxLength: 128 },
  title: { pattern: '^[^\\x00]*$', maxLength: 255 },
  description: { pattern: '^[^\\x00]*$', maxLength: 10_000 },
  next_cursor: { ...BASE64URL, maxLength: 2_200 },
  next_sync_token: { ...BASE64URL, minLength: 30, maxLength: 128 },
  data: { maxItems: 500 },
  items: { maxItems: 100 },
  errors: { maxItems: 100 },
  deleted: { maximum: 5_000 },
  index: { maximum: 99 },
  type: { pattern: '^/problems/[a-z_]+$' },
  instance: { pattern: '^/requests/[!-~]+$', maxLength: 512 },
  detail: { pattern: '^[^\\x00]*$', maxLength: 500 },
  pointer: { pattern: '^(/[^\\x00]*)?$', maxLength: 256 },
  name: { pattern: '^[^\\x00]*$', maxLength: 256 },
}

const formats: Record<string, Schema> = {
  'date-time': { pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$' },
}

/** By the name of the header. */
export const strictHeaders: Record<string, Schema> = {
  'X-Request-Id': { pattern: '^[!-~]{1,128}$' },
  ETag: { pattern: '^"[1-9][0-9]*"$', maxLength: 18 },
  Link: { pattern: '^</api/[^<>]+>; rel="next"$', maxLength: 4_096 },
  Location: { pattern: '^/api/[^/]+/tasks/[0-9a-f-]{36}$', maxLength: 512 },
  'Retry-After': { maximum: 3_600 },
  'RateLimit-Policy': { pattern: `^${RATE};q=[0-9]+;w=[0-9]+$` },
  RateLimit: { pattern: `^${RATE};r=[0-9]+;t=[0-9]+$` },
  'WWW-Authenticate': { pattern: '^Bearer( error="invalid_token")?$' },
  Accept: { pattern: '^[a-z+/, -]+$' },
  'Accept-Patch': { pattern: '^[a-z+/, -]+$' },
}

/** A dereferenced response schema without room to grow: no undeclared fields, and only known codes and kinds. */
export function close(schema: Schema, name = ''): Schema {
  const { properties, items, oneOf, anyOf } = schema as Record<string, Schema[] & Record<string, Schema>>
  if (isOpenEnumeration(anyOf)) return anyOf[0] as Schema
  return {
    ...schema,
    ...fields[name],
    ...formats[schema.format as string],
    ...(properties !== undefined && {
      additionalProperties: false,
      properties: Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, close(value, name)])),
    }),
    ...(items !== undefined && { items: close(items) }),
    ...(oneOf !== undefined && { oneOf: oneOf.map(one => close(one)) }),
  }
}

/** Known values, or any other string. */
const isOpenEnumeration = (anyOf: Schema[] | undefined): anyOf is Schema[] =>
  anyOf?.length === 2 && anyOf[0]?.enum !== undefined && anyOf[1]?.type === 'string'
