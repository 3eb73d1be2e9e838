/** The filters of a list: those that a client may send, and their conditions. */
import { type RawBuilder, sql } from 'kysely'
import type { ValidationError } from '../contract/problem.ts'
import type { Input } from '../contract/types.ts'
import type { Places } from '../database/statement.ts'
import { PRIORITIES } from './columns.ts'
import { resolveDate } from './dates.ts'
import { countWords, matchesSearch, type SearchPatterns, searchPatterns } from './search.ts'

/** Values of the filters, by name; without those that the client did not send. */
export interface Filters {
  completed?: boolean
  /** Before all times of the first day; the empty string for any day. */
  dueAfter?: string
  /** After all times of the last day. */
  dueBefore?: string
  undated?: true
  priorities?: number[]
  tags?: string[]
  notTags?: string[]
  search?: SearchPatterns
}
export type Filter = keyof Filters

const due = sql`task.due_key`

const SEARCHED = [
  { column: 'title', folded: 'title_folded' },
  { column: 'description', folded: 'description_folded' },
]

/** The condition of each filter on a row of `task`. */
export const conditions: Record<Filter, (places: Places<Filters>) => RawBuilder<unknown>> = {
  completed: ({ completed }) => sql`completed = ${completed}::boolean`,
  dueAfter: ({ dueAfter }) => sql`${due} > ${dueAfter}::text and ${due} < '~'`,
  dueBefore: ({ dueBefore }) => sql`${due} < ${dueBefore}::text`,
  undated: () => sql`${due} = '~'`,
  priorities: ({ priorities }) => sql`task.priority = any(${priorities}::smallint[])`,
  tags: ({ tags }) => sql`task.tags @> ${tags}::text[]`,
  notTags: ({ notTags }) => sql`not task.tags && ${notTags}::text[]`,
  search: ({ search }) => matchesSearch(SEARCHED, search),
}

type Query = Input<'listTasks'>['query']

/** What the query parameters filter by, or the errors of those that only the current day can make valid. */
export function filtersOf(query: Query, now: Date): Filters | ValidationError[] {
  const { completed, has_due, priority, tag, not_tag, q, time_zone } = query
  const errors: ValidationError[] = []
  const day = (name: 'due_from' | 'due_to') => {
    const text = query[name]
    if (text === undefined) return undefined
    const date = resolveDate(text, time_zone, now)
    if (date === undefined) errors.push(notADay(name, text, time_zone))
    return date
  }
  const [dueFrom, dueTo] = [day('due_from'), day('due_to')]
  const dueAfter = dueFrom === undefined ? (has_due ? '' : undefined) : afterDay(dayBefore(dueFrom))
  const search = q === undefined ? undefined : searchPatterns(q)
  if (q !== undefined && search === undefined) {
    errors.push({ in: 'query', name: 'q', code: 'wrong_format', detail: 'must have a letter or a digit' })
  }
  if (q !== undefined && countWords(q) > MAX_WORDS) {
    errors.push({ in: 'query', name: 'q', code: 'too_long', detail: `must have at most ${MAX_WORDS} words` })
  }
  if (errors.length > 0) return errors
  return {
    ...(completed !== undefined && { completed }),
    ...(dueAfter !== undefined && { dueAfter }),
    ...(dueTo !== undefined && { dueBefore: afterDay(dueTo) }),
    ...(has_due === false && { undated: true }),
    ...(priority !== undefined && { priorities: priority.map(name => PRIORITIES.indexOf(name)) }),
    ...(tag !== undefined && { tags: tag }),
    ...(not_tag !== undefined && { notTags: not_tag }),
    ...(search !== undefined && { search }),
  }
}

/** Each word reads all of a task's text, in the worst case. */
const MAX_WORDS = 10

/** Between the keys of all times of a day and those of the next day. */
const afterDay = (day: string) => `${day}U`

/** Also of the first day that a task may have. */
const dayBefore = (day: string) => new Date(Date.parse(day) - 86_400_000).toISOString().slice(0, day.length)

function notADay(name: string, text: string, zone: string | undefined): ValidationError {
  const isRelative = !/^\d{4}-/.test(text)
  if (isRelative && zone === undefined) {
    return { in: 'query', name: 'time_zone', code: 'required', detail: `is required with ${name}=${text}` }
  }
  return { in: 'query', name, code: 'wrong_format', detail: 'must be a day of the years 0001 to 9999' }
}
