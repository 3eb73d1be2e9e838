/** Type tests, run by tsc in `npm run check`: every line after `@ts-expect-error` must not compile. */
import { sql } from 'kysely'
import { type Places, read } from '../../src/database/statement.ts'
import type { Task } from '../../src/tasks/columns.ts'
import { keys } from '../../src/tasks/sorts.ts'

export function decide({ title, completed }: Places<{ title: string; completed?: boolean }>): unknown[] {
  return [
    // @ts-expect-error a condition on a value that is not there yet
    completed ? sql`completed` : sql`not completed`,
    // @ts-expect-error the same, with an operator
    completed && sql`completed`,
    // @ts-expect-error a comparison
    title === 'T',
    // @ts-expect-error a property
    title.length,
    // What must compile does.
    sql`title = ${title} and completed = ${completed}`,
  ]
}

const { title: _, ...allButTitle } = keys
// @ts-expect-error an order without a sort key, and so without a cursor
export const missing: typeof keys = allButTitle

const find = read.maybe<{ id: string }, Task>('', ({ id }) => sql`select * from task where id = ${id}`)
export async function use(db: Parameters<typeof find>[0]): Promise<void> {
  // @ts-expect-error a value that is missing
  await find(db, {})
  // @ts-expect-error a row that may not be there
  ;(await find(db, { id: '' })).title
}
