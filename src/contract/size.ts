/** Bounds the number of members in a body before it is validated. */
import type { ValidationError } from './problem.ts'
import { cut, escapePointer } from './validation-errors.ts'

/** Deeper than any schema of the contract looks; a body may be nested a hundred thousand levels deep. */
export const MAX_DEPTH = 8

/**
 * The error of an array or object with more than `most` members, wherever a schema looks; undefined if there is none.
 * It must be the only error reported: validating each member would cost the server more than it costs the caller.
 */
export function findOversized(body: unknown, most: number, longestPlace: number): ValidationError | undefined {
  const found = search(body, most)
  if (found === undefined) return undefined
  const { path, value } = found
  const pointer = cut(path.map(name => `/${escapePointer(name.slice(0, longestPlace))}`).join(''), longestPlace)
  const detail = Array.isArray(value)
    ? `must have at most ${most} items, has ${value.length}`
    : `must have at most ${most} members, has more`
  return { in: 'body', pointer, code: 'too_long', detail }
}

interface Oversized {
  path: string[]
  value: object
}

/** Lists members only once their number is known to be small, and builds a path only once something is found. */
function search(value: unknown, most: number, depth = 0): Oversized | undefined {
  if (value === null || typeof value !== 'object' || depth > MAX_DEPTH) return undefined
  if (hasMoreThan(value, most)) return { path: [], value }
  const names = Array.isArray(value) ? undefined : Object.keys(value)
  const members = names === undefined ? (value as unknown[]) : Object.values(value)
  for (let index = 0; index < members.length; index += 1) {
    const found = search(members[index], most, depth + 1)
    if (found !== undefined) return { path: [names?.[index] ?? `${index}`, ...found.path], value: found.value }
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
