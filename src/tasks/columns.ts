/** The columns of a task, and its type. */
import { type RawBuilder, sql } from 'kysely'
import type { components } from '../contract/openapi.gen.ts'

export type Task = components['schemas']['Task']

/** From the least to the most important; the table has the index. */
export const PRIORITIES = ['none', 'low', 'medium', 'high', 'urgent'] as const satisfies Task['priority'][]

const columnOf = (of: string, name: string) => sql`${sql.raw(of)}.${sql.ref(name)}`

/** The columns that a client's fields are written to, with their types. */
const writtenTypes = {
  title: 'text',
  description: 'text',
  completed: 'boolean',
  due: 'jsonb',
  due_key: 'text',
  start: 'jsonb',
  priority: 'smallint',
  tags: 'text[]',
  position: 'text',
  title_folded: 'text',
  description_folded: 'text',
} as const

export type WrittenColumn = keyof typeof writtenTypes
export const writtenColumns = Object.keys(writtenTypes) as WrittenColumn[]

/** A value of a column, as a parameter of its type. */
export const typed = (column: WrittenColumn, value: unknown) => sql`${value}::${sql.raw(writtenTypes[column])}`

/** In the order of a response. */
const names = [
  'id',
  'user_id',
  'title',
  'description',
  'completed',
  'due',
  'start',
  'priority',
  'tags',
  'position',
  'completed_at',
  'created_at',
  'updated_at',
  'deleted_at',
  'revision',
] as const satisfies (keyof Task)[]

/** The columns whose values in a response differ from those in the table. */
const read: Partial<Record<keyof Task, (of: string) => RawBuilder<unknown>>> = {
  priority: of => sql`(array[${sql.join(PRIORITIES.map(name => sql.lit(name)))}])[${columnOf(of, 'priority')} + 1]`,
}

/**
 * The values of a response, from a row of the table.
 * @param of the table or composite value that has the columns, as SQL
 */
export const columnsOf = (of: string) =>
  sql.join(names.map(name => sql`${(read[name] ?? (() => columnOf(of, name)))(of)} as ${sql.ref(name)}`))

/** The columns as they are: of the table as stored, of a subquery with the values of a response as in a response. */
export const columnsRead = (from: string) => sql.join(names.map(name => columnOf(from, name)))
