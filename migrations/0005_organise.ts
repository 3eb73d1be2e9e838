/** Dates, priority, tags and position of tasks, what search compares, and an index for each new order of the list. */
import { type Kysely, sql } from 'kysely'

/** `concurrently` lets writers go on, but not in a transaction. A crash may leave a statement undone, or half done. */
export const transaction = false

/** None has a default that rows would have to be rewritten for; a task without any of them is as small as before. */
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
  for (const [name, type] of Object.entries(COLUMNS)) {
    await sql.raw(`alter table task add column if not exists ${name} ${type}`).execute(db)
  }
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
  for (const name of Object.keys(COLUMNS)) await sql.raw(`alter table task drop column if exists ${name}`).execute(db)
}
