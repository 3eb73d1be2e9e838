/** Page cursors: JSON arrays as base64url, which are opaque to clients. */
import { validationFailed } from './validate.ts'

export const serialize = (content: unknown[]): string => Buffer.from(JSON.stringify(content)).toString('base64url')

/** The array that a cursor consists of; empty if it is none. */
export function parse(cursor: string): unknown[] {
  try {
    const value = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

export const unknownCursor = () =>
  validationFailed([
    {
      in: 'query',
      name: 'cursor',
      code: 'wrong_format',
      detail: 'must be the next_cursor of an earlier page of this list',
    },
  ])
