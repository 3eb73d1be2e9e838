/** One index for each order of the list, and one for the trash: without the filter a page is merged from two ranges. */
import { type Kysely, sql } from 'kysely'

/** `concurrently` lets writers go on, but not in a transaction. A crash may leave a statement undone, or half done. */
export const transaction = false

const TRASH = { task_trash_idx: '(user_id, completed, deleted_at desc, id desc) where deleted_at is not null' }

const REPLACED = {
  task_created_at_idx: '(user_id, created_at desc, id desc) where deleted_at is null',
  task_updated_at_idx: '(user_id, updated_at desc, id desc) where deleted_at is null',
  task_title_idx: '(user_id, title desc, id desc) where deleted_at is null',
  task_deleted_completed_created_at_idx: '(user_id, completed, created_at desc, id desc) where deleted_at is not null',
  task_deleted_completed_updated_at_idx: '(user_id, completed, updated_at desc, id desc) where deleted_at is not null',
  task_deleted_completed_title_idx: '(user_id, completed, title desc, id desc) where deleted_at is not null',
  task_oldest_tombstone_idx: '(user_id, deleted_at, id) where deleted_at is not null',
}

/** What each index is for, of which operators and docs/queries.md learn from the database. */
const PURPOSES = {
  task_pkey: 'One task by its id.',
  task_completed_created_at_idx: 'Lists by created_at; the default order.',
  task_completed_updated_at_idx: 'Lists by updated_at.',
  task_completed_title_idx: 'Lists by title.',
  task_live_revision_idx: 'Changes after a revision: live tasks.',
  task_deleted_revision_idx: 'Changes after a revision: deletions.',
  task_trash_idx: 'The trash, the newest deletion first; the oldest deletions of a user who has too many.',
  task_purge_idx: 'Purging: the oldest deletions of all users.',
  user_clock_pkey: 'The counters of one user; chunks of all users.',
  idempotency_key_pkey: 'One idempotency key.',
  idempotency_key_purge_idx: 'Purging: the oldest idempotency keys of all users.',
}

/**
 * A small table that was counted is read from end to end, by plans that are kept while it grows; see
 * `src/database/statistics.ts`.
 */
const COUNTED_LATER = ['autovacuum_analyze_threshold', 'autovacuum_vacuum_threshold']
const TABLES = ['task', 'user_clock', 'idempotency_key']

export async function up(db: Kysely<any>): Promise<void> {
  await create(db, TRASH)
  await drop(db, REPLACED)
  for (const [name, purpose] of Object.entries(PURPOSES)) {
    await sql`comment on index ${sql.table(name)} is ${sql.lit(purpose)}`.execute(db)
  }
  const settings = COUNTED_LATER.map(name => `${name} = 1000`)
  for (const table of TABLES) await sql.raw(`alter table ${table} set (${settings})`).execute(db)
}

export async function down(db: Kysely<any>): Promise<void> {
  for (const table of TABLES) await sql.raw(`alter table ${table} reset (${COUNTED_LATER})`).execute(db)
  await create(db, REPLACED)
  await drop(db, TRASH)
}

async function create(db: Kysely<any>, indexes: Record<string, string>): Promise<void> {
  // One that was being built in a crash is there, and invalid.
  await drop(db, indexes)
  for (const [name, definition] of Object.entries(indexes)) {
    await sql.raw(`create index concurrently ${name} on task ${definition}`).execute(db)
  }
}

async function drop(db: Kysely<any>, indexes: Record<string, string>): Promise<void> {
  for (const name of Object.keys(indexes)) await sql.raw(`drop index concurrently if exists ${name}`).execute(db)
}
