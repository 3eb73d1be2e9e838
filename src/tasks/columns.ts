/** The columns of a task, and its type. */
import { sql } from 'kysely'
import type { components } from '../contract/openapi.gen.ts'

export type Task = components['schemas']['Task']

/** The fields that a client sets. */
export type Fields = components['schemas']['TaskUpdate']

/**
 * Their columns and SQL types. A new field is added here, in the contract, in a migration and in
 * `database/tables.ts`.
 */
const fieldTypes = { title: 'text', description: 'text', completed: 'boolean' } satisfies Record<keyof Fields, string>

export const fields = Object.keys(fieldTypes) as (keyof Fields)[]

/** A value of a field, as a parameter of its type. */
export const typed = (field: keyof Fields, value: unknown) => sql`${value}::${sql.raw(fieldTypes[field])}`

/** In the order of a response. */
const columns = [
  'id',
  'user_id',
  ...fields,
  'completed_at',
  'created_at',
  'updated_at',
  'deleted_at',
  'revision',
] as const satisfies (keyof Task)[]

/** @param of the table or composite value that has the columns, as SQL */
export const columnsOf = (of: string) => sql.join(columns.map(column => sql`${sql.raw(of)}.${sql.ref(column)}`))
export const allColumns = sql.join(columns.map(column => sql.ref(column)))
