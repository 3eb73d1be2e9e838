/** Page cursors of tags: the last name of the page before, as `[name]`. */
import { parse, serialize } from '../contract/cursor.ts'

export const encode = (name: string): string => serialize([name])

/** The name in a cursor; undefined if `encode` cannot have created it from a tag. */
export function decode(cursor: string): string | undefined {
  const content = parse(cursor)
  const [name] = content
  if (content.length !== 1 || serialize(content) !== cursor) return undefined
  const isName = typeof name === 'string' && name !== '' && name.isWellFormed() && !name.includes('\0')
  return isName ? name : undefined
}
