/**
 * Search: every word of the query must begin a word of the title or of the description.
 *
 * Both are folded in the same way. Text in ASCII is folded by SQL (`lower`); only other text is stored a second time,
 * folded (`foldedColumn`). One regular expression then reads both, and needs no extension of PostgreSQL.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Place } from '../database/statement.ts'

/** A field that is searched, and the column with its folded text, which is null if the field is null or ASCII. */
export interface SearchedField {
  column: string
  folded: string
}

/**
 * Marks that decorate a letter, such as accents and vowel points, and characters that are not visible. Marks of other
 * scripts are vowels and make different words (Hindi, Thai), as do the voiced sounds of kana.
 */
const DECORATION =
  /[\p{Default_Ignorable_Code_Point}[[\p{M}&&[\p{sc=Zinh}\p{sc=Arab}\p{sc=Cyrl}\p{sc=Hebr}\p{sc=Syrc}]]--[\u3099\u309a]]]/gv

const WORD = /[\p{L}\p{M}\p{N}]+/gv

/** Scripts that put no spaces between words. */
const UNSPACED = '\\p{scx=Hani}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Thai}\\p{scx=Laoo}\\p{scx=Khmr}\\p{scx=Mymr}'
const RUN = new RegExp(`[${UNSPACED}]+|[^${UNSPACED}]+`, 'gv')
const IS_UNSPACED = new RegExp(`[${UNSPACED}]`, 'v')
const BEGINS_UNSPACED = new RegExp(`^[${UNSPACED}]`, 'v')

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII has control characters.
const ASCII = /^[\x00-\x7f]*$/

/** Everything in ASCII but letters and digits; a folded text has only spaces of it. */
const SEPARATOR = '[\\x01-\\x2f\\x3a-\\x60\\x7b-\\x7f]'

/** Between the fields; not in any folded text, so that no match extends over both. */
const BETWEEN = ' · '

/**
 * The words, with one space between them; also where a word changes between a script without spaces and another one.
 * Folding a folded text does not change it.
 */
export const fold = (text: string): string => wordsOf(text).join(' ')

/** Folding may make a text eleven times as long; what exceeds this number of characters is not searched. */
const MAX_FOLDED = 20_000

/** The value of a field's folded column; null if SQL folds the field. */
export const foldedColumn = (text: string | null): string | null =>
  text === null || ASCII.test(text) ? null : fold(text).slice(0, MAX_FOLDED)

/** The number of words that a query has. */
export const countWords = (query: string): number => wordsOf(query).join(' ').split(' ').length

/** A pattern for `like` that finds every match and more, in half the time, and the regular expression. */
export type SearchPatterns = [like: string, regular: string]

/** @returns the patterns for `matchesSearch`, or undefined if the query has no word */
export function searchPatterns(query: string): SearchPatterns | undefined {
  const words = [...new Set(wordsOf(query))]
  // A word that begins another one adds nothing.
  const conditions = words.filter(word => !words.some(other => other !== word && other.startsWith(word)))
  if (conditions.length === 0) return undefined
  // Nothing to escape: words have letters, marks and digits only.
  const condition = (word: string) => (BEGINS_UNSPACED.test(word) ? `(?=.*${word})` : `(?=(.*${SEPARATOR})?${word})`)
  const [longest] = conditions.toSorted((one, other) => other.length - one.length)
  return [`%${longest}%`, `^${conditions.map(condition).join('')}`]
}

/** Whether a task matches, in SQL. @param patterns from `searchPatterns` */
export function matchesSearch(fields: readonly SearchedField[], patterns: Place | SearchPatterns): RawBuilder<boolean> {
  const texts = fields.map(
    ({ column, folded }) => sql`coalesce(${sql.ref(folded)}, lower(${sql.ref(column)} collate "C"), '')`,
  )
  const text = sql`(${sql.join(texts, sql` || ${sql.lit(BETWEEN)} || `)})`
  return sql`(${text} like (${patterns}::text[])[1] and ${text} ~ (${patterns}::text[])[2])`
}

/** The words of a text, folded; spaces in a word are where its script changes. */
function wordsOf(text: string): string[] {
  // Lower case alone would keep ß apart from SS, and ı from I.
  const letters = text.normalize('NFKD').replace(DECORATION, '').toLowerCase().toUpperCase().toLowerCase()
  // Composed again, か is not found in が, nor half a syllable in Hangul.
  const words = letters.replaceAll('ς', 'σ').normalize('NFC').match(WORD) ?? []
  return words.map(word => (IS_UNSPACED.test(word) ? (word.match(RUN) as string[]).join(' ') : word))
}
