/** Dates, priority, tags and position of tasks, what search compares, and an index for each new order of the list. */
import { type Kysely, sql } from 'kysely'
import { foldedColumn } from '../src/tasks/search.ts'

/** `concurrently` lets writers go on, but not in a transaction. A crash may leave a statement undone, or half done. */
export const transaction = false

/** PostgreSQL rewrites no row for any of them, so it locks the table only for a moment. */
const COLUMNS = {
  due: 'jsonb',
  start: 'jsonb',
  priority: 'smallint not null default 0',
  tags: `text[] not null default '{}'`,
  position: 'text',
  title_folded: 'text',
  description_folded: 'text',
}

// As `due`, `priority` and `position` in `src/tasks/sorts.ts` have them.
const DUE = `(coalesce((due->>'date') || coalesce('T' || (due->>'time'), ''), '~')) collate "C"`
const POSITION = `(coalesce(position, 'V' || lpad((extract(epoch from created_at - '1970-01-01T00:00:00Z'::timestamptz) * 1000)::bigint::text, 13, '0')
  || right(id::text, 8) || 'V')) collate "C"`

const INDEXES = {
  task_completed_due_idx: DUE,
  task_completed_priority_idx: 'priority',
  task_completed_position_idx: POSITION,
}

const PURPOSES: Record<keyof typeof INDEXES, string> = {
  task_completed_due_idx: 'Lists by due.',
  task_completed_priority_idx: 'Lists by priority.',
  task_completed_position_idx: 'Lists by position; the neighbours of a move.',
}

export async function up(db: Kysely<any>): Promise<void> {
  await alter(
    db,
    Object.entries(COLUMNS).map(([name, type]) => `add column if not exists ${name} ${type}`),
  )
  await foldTexts(db)
  for (const [name, key] of Object.entries(INDEXES)) {
    // One that was being built in a crash is there, and invalid.
    await sql.raw(`drop index concurrently if exists ${name}`).execute(db)
    await sql
      .raw(`create index concurrently ${name} on task (user_id, completed, ${key}, id) where deleted_at is null`)
      .execute(db)
  }
  for (const [name, purpose] of Object.entries(PURPOSES)) {
    await sql`comment on index ${sql.table(name)} is ${sql.lit(purpose)}`.execute(db)
  }
}

export async function down(db: Kysely<any>): Promise<void> {
  for (const name of Object.keys(INDEXES)) await sql.raw(`drop index concurrently if exists ${name}`).execute(db)
  await alter(
    db,
    Object.keys(COLUMNS).map(name => `drop column if exists ${name}`),
  )
}

/** Every statement waits behind one that waits to alter the table, so it gives up soon, and the migration is run again. */
async function alter(db: Kysely<any>, actions: string[]): Promise<void> {
  await db.transaction().execute(async transaction => {
    await sql`set local lock_timeout = '300ms'`.execute(transaction)
    await sql.raw(`alter table task ${actions}`).execute(transaction)
  })
}

/** Number of tasks whose texts are folded in one transaction. */
const CHUNK = 500

interface Texts {
  user_id: string
  id: string
  title: string
  description: string | null
}

/** Folds the texts of the tasks that are there, as the service folds those of queries; texts in ASCII do not need it. */
async function foldTexts(db: Kysely<any>): Promise<void> {
  let after: Texts | undefined
  do {
    const start = after === undefined ? sql`true` : sql`(user_id, id) > (${after.user_id}, ${after.id}::uuid)`
    const { rows } = await sql<Texts>`
      select user_id, id, title, description from task
      where ${start} and octet_length(concat(title, description)) <> length(concat(title, description))
      order by user_id, id limit ${sql.lit(CHUNK)}`.execute(db)
    await db.transaction().execute(async transaction => {
      for (const task of rows) await foldTask(transaction, task)
    })
    after = rows.at(-1)
  } while (after !== undefined)
}

/** Writes no text that is not that of the task any more: replicas of the version before go on writing. */
const foldTask = (db: Kysely<any>, { user_id, id, title, description }: Texts) =>
  sql`
    update task set title_folded = ${foldedColumn(title)}, description_folded = ${foldedColumn(description)}
    where user_id = ${user_id} and id = ${id} and title = ${title} and description is not distinct from ${description}`.execute(
    db,
  )
