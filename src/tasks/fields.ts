/** From the fields of a request to the values of columns. */
import type { components } from '../contract/openapi.gen.ts'
import { Problem } from '../contract/problem.ts'
import { PRIORITIES, type Task, type WrittenColumn } from './columns.ts'
import { type Moment, type MomentPatch, mergeMoment, type Rule, Violation } from './dates.ts'
import { foldedColumn } from './search.ts'

type Fields = components['schemas']['TaskUpdate']
type Columns = Record<WrittenColumn, unknown>

export type Dates = Pick<Task, 'due' | 'start'>
const dateFields = ['due', 'start'] as const

/** The dates alone, for comparisons. */
export const datesOf = ({ due, start }: Dates): Dates => ({ due, start })

const NO_DATES: Dates = { due: null, start: null }

/** Whether the result of a merge patch depends on the dates that are stored. */
export const dependsOnDates = (patch: Fields): boolean => dateFields.some(field => isPartial(patch[field]))

const isPartial = (patch: MomentPatch | null | undefined) =>
  patch != null && (patch.date === undefined || patch.time === undefined || patch.time_zone === undefined)

/** The columns of a new task. */
export function columnsOfNew(fields: Fields): Columns {
  const values = { description: null, position: null, ...NO_DATES, priority: 0, tags: [], ...columnsToWrite(fields) }
  const [due, start] = dateFields.map(field => values[field] && JSON.stringify(values[field]))
  return { description_folded: null, ...values, due, start } as Columns
}

/**
 * The columns that the fields change, with JSON values.
 * @param stored the dates that a patch is merged with
 * @throws Problem `incomplete_date`, which only a patch can cause
 */
export function columnsToWrite(fields: Fields, stored = NO_DATES): Partial<Columns> {
  const { title, description, priority, tags } = fields
  const columns: Partial<Columns> = { ...fields }
  for (const field of dateFields) {
    const patch = fields[field]
    if (patch !== undefined) columns[field] = merged(field, stored[field], patch)
  }
  if (priority !== undefined) columns.priority = PRIORITIES.indexOf(priority)
  if (tags !== undefined) columns.tags = sortedTags(tags)
  if (title !== undefined) columns.title_folded = foldedColumn(title)
  if (description !== undefined) columns.description_folded = foldedColumn(description)
  return columns
}

/** Ordered by code point, which is the order of their bytes in UTF-8. */
const sortedTags = (tags: readonly string[]) =>
  tags.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))

const REASONS: Record<Rule, string> = {
  date_required: 'would have a time or a time zone without a date',
  time_required: 'would have a time zone without a time',
  time_zone_unknown: 'would have a time zone that is not known any more',
  instant_out_of_range: 'would be outside of the years 0001 to 9999 in UTC',
}

function merged(field: (typeof dateFields)[number], stored: Moment | null, patch: MomentPatch | null): Moment | null {
  const result = mergeMoment(stored, patch)
  if (result instanceof Violation) throw new Problem('incomplete_date', `${field} ${REASONS[result.rule]}.`)
  return result
}
