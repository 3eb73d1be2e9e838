/** From the fields of a request to the values of columns. */
import type { components } from '../contract/openapi.gen.ts'
import { Problem } from '../contract/problem.ts'
import { PRIORITIES, type Task, type WrittenColumn } from './columns.ts'
import { type MomentPatch, mergeMoment, type Rule, sortKey, Violation } from './dates.ts'
import { foldedColumn } from './search.ts'

type Fields = components['schemas']['TaskUpdate']
type Columns = Record<WrittenColumn, unknown>

export type Dates = Pick<Task, 'due' | 'start'>
const dateFields = ['due', 'start'] as const

/** The dates alone, for comparisons. */
export const datesOf = ({ due, start }: Dates): Dates => ({ due, start })

const NO_DATES: Dates = { due: null, start: null }

/** Whether the result of a merge patch depends on the dates that are stored; if not, it breaks no rule either. */
export const dependsOnDates = (patch: Fields): boolean =>
  dateFields.some(field => isPartial(patch[field])) || mergeDates(patch, NO_DATES) instanceof Problem

const isPartial = (patch: MomentPatch | null | undefined) =>
  patch != null && (patch.date === undefined || patch.time === undefined || patch.time_zone === undefined)

const REASONS: Record<Rule, string> = {
  date_required: 'would have a time or a time zone without a date',
  time_required: 'would have a time zone without a time',
  time_zone_unknown: 'would have a time zone that is not known any more',
  instant_out_of_range: 'would be outside of the years 0001 to 9999 in UTC',
}

/** The dates that a merge patch changes, or the rule that one of them would break. */
export function mergeDates(patch: Fields, stored: Dates): Partial<Dates> | Problem<'incomplete_date'> {
  const dates: Partial<Dates> = {}
  for (const field of dateFields) {
    const part = patch[field]
    if (part === undefined) continue
    const merged = mergeMoment(stored[field], part)
    if (merged instanceof Violation) return new Problem('incomplete_date', `${field} ${REASONS[merged.rule]}.`)
    dates[field] = merged
  }
  return dates
}

/** @param position of a new task, if the fields have none */
export function columnsOfNew(fields: Fields, position: string): Columns {
  const { due = null, start = null, ...columns } = columnsToWrite(fields)
  const defaults = { due_key: sortKey(null), priority: 0, tags: [], position }
  return { ...defaults, ...columns, due: due && JSON.stringify(due), start: start && JSON.stringify(start) } as Columns
}

/**
 * The columns that the fields change, with JSON values.
 * @param dates those that the fields change; by default, the fields have complete ones, as the contract requires
 */
export function columnsToWrite(
  fields: Fields,
  dates = mergeDates(fields, NO_DATES) as Partial<Dates>,
): Partial<Columns> {
  const { title, description, priority, tags } = fields
  const columns: Partial<Columns> = { ...fields, ...dates }
  if (dates.due !== undefined) columns.due_key = sortKey(dates.due)
  if (priority !== undefined) columns.priority = PRIORITIES.indexOf(priority)
  if (tags !== undefined) columns.tags = sortedTags(tags)
  if (title !== undefined) columns.title_folded = foldedColumn(title)
  if (description !== undefined) columns.description_folded = foldedColumn(description)
  return columns
}

/** Ordered by code point, which is the order of their bytes in UTF-8. */
const sortedTags = (tags: readonly string[]) =>
  tags.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
