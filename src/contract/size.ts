/** Bounds the number of members in a body before it is validated. */
import type { ValidationError } from './problem.ts'
import { escapePointer, truncate } from './validation-errors.ts'

/** Deeper than any schema of the contract; a body may be nested a hundred thousand levels deep. */
export const MAX_DEPTH = 8

/**
 * The error of an array or object with more than `max` members, at any depth of the schemas; undefined if none has.
 * It must be the only error reported: validating each member would cost the server more than it costs the caller.
 */
export function findOversized(body: unknown, max: number, maxLength: number): ValidationError | undefined {
  const found = search(body, max)
  if (found === undefined) return undefined
  const { path, value } = found
  const pointer = truncate(path.map(name => `/${escapePointer(name.slice(0, maxLength))}`).join(''), maxLength)
  const detail = Array.isArray(value)
    ? `must have at most ${max} items, has ${value.length}`
    : `must have at most ${max} members, has more`
  return { in: 'body', pointer, code: 'too_long', detail }
}

interface Oversized {
  path: string[]
  value: object
}

/** Lists members only after checking their number, and builds a path only for a match. */
function search(value: unknown, max: number, depth = 0): Oversized | undefined {
  if (value === null || typeof value !== 'object' || depth > MAX_DEPTH) return undefined
  if (hasMoreThan(value, max)) return { path: [], value }
  const names = Array.isArray(value) ? undefined : Object.keys(value)
  const members = names === undefined ? (value as unknown[]) : Object.values(value)
  for (let index = 0; index < members.length; index += 1) {
    const found = search(members[index], max, depth + 1)
    if (found !== undefined) return { path: [names?.[index] ?? `${index}`, ...found.path], value: found.value }
  }
  return undefined
}

function hasMoreThan(value: object, max: number): boolean {
  if (Array.isArray(value)) return value.length > max
  let count = 0
  for (const _ in value) {
    count += 1
    if (count > max) return true
  }
  return false
}
