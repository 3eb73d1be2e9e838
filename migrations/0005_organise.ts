/** Dates, priority, tags and position of tasks, what search compares, and an index for each new order of the list. */
import { type Kysely, sql } from 'kysely'
import { foldedColumn } from '../src/tasks/search.ts'

/** `concurrently` lets writers go on, but not in a transaction. A crash may leave a statement undone, or half done. */
export const transaction = false

/** PostgreSQL rewrites no row for any of them, so it locks the table only for a moment. */
const COLUMNS = {
  due: 'jsonb',
  // As `sortKey` in `src/tasks/dates.ts` has it.
  due_key: `text collate "C" not null default '~'`,
  start: 'jsonb',
  priority: 'smallint not null default 0',
  tags: `text[] not null default '{}'`,
  position: 'text collate "C"',
  title_folded: 'text',
  description_folded: 'text',
}

/**
 * The position of a task that was created at this time and never moved, as `positionOfNew` in the service has it.
 * Immutable, as Citus requires of an update: the seconds of a timestamp depend on the session, those of an interval do
 * not.
 */
const positionOf = (created: string, id: string) =>
  `'V' || lpad((extract(epoch from ${created} - '1970-01-01T00:00:00Z'::timestamptz) * 1000)::bigint::text, 13, '0')
    || right(${id}::text, 8) || 'V'`

const INDEXES = {
  task_completed_due_idx: 'due_key',
  task_completed_priority_idx: 'priority',
  task_completed_position_idx: 'position',
}

const PURPOSES: Record<keyof typeof INDEXES, string> = {
  task_completed_due_idx: 'Lists by due.',
  task_completed_priority_idx: 'Lists by priority.',
  task_completed_position_idx: 'Lists by position; the neighbours of a move.',
}

export async function up(db: Kysely<any>): Promise<void> {
  await alter(
    db,
    ...Object.entries(COLUMNS).map(([name, type]) => `add column if not exists ${name} ${type}`),
    // For replicas of the version before, which go on creating tasks.
    `alter column position set default ${positionOf('clock_timestamp()', 'gen_random_uuid()')}`,
  )
  await fill(db)
  await requirePositions(db)
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
  await alter(db, ...Object.keys(COLUMNS).map(name => `drop column if exists ${name}`))
}

/** Every statement waits behind one that waits to alter the table, so it gives up soon, and the migration is run again. */
const alter = (db: Kysely<any>, ...actions: string[]): Promise<void> =>
  withoutWaiting(db, async transaction => {
    await sql.raw(`alter table task ${actions}`).execute(transaction)
  })

/** A transaction that fails soon if it has to wait for a lock; with rows locked, it would be part of deadlocks. */
const withoutWaiting = (db: Kysely<any>, work: (transaction: Kysely<any>) => Promise<void>): Promise<void> =>
  db.transaction().execute(async transaction => {
    await sql`set local lock_timeout = '300ms'`.execute(transaction)
    await work(transaction)
  })

/** The `not null` of a column, by a constraint that is checked while others write. */
async function requirePositions(db: Kysely<any>): Promise<void> {
  const name = 'task_position_check'
  await alter(db, `drop constraint if exists ${name}`)
  await alter(db, `add constraint ${name} check (position is not null) not valid`)
  await sql.raw(`alter table task validate constraint ${name}`).execute(db)
  await alter(db, 'alter column position set not null')
  await alter(db, `drop constraint ${name}`)
}

/** Number of tasks that are filled in in one transaction. */
const CHUNK = 500

interface Row {
  user_id: string
  id: string
  title: string
  description: string | null
  isAscii: boolean
}

/** Gives the tasks that are there their positions and folded texts. */
async function fill(db: Kysely<any>): Promise<void> {
  let after: Row | undefined
  do {
    const start = after === undefined ? sql`true` : sql`(user_id, id) > (${after.user_id}, ${after.id}::uuid)`
    const { rows } = await sql<Row>`
      select user_id, id, title, description,
        octet_length(concat(title, description)) = length(concat(title, description)) as "isAscii"
      from task where ${start} and position is null order by user_id, id limit ${sql.lit(CHUNK)}`.execute(db)
    const last = rows.at(-1)
    if (last !== undefined) {
      await withoutWaiting(db, async transaction => {
        await sql`
          update task set position = ${sql.raw(positionOf('created_at', 'id'))}
          where ${start} and (user_id, id) <= (${last.user_id}, ${last.id}::uuid) and position is null`.execute(
          transaction,
        )
        for (const row of rows) if (!row.isAscii) await foldTexts(transaction, row)
      })
    }
    after = last
  } while (after !== undefined)
}

/**
 * Folds the texts of a task as the service folds those of queries; texts in ASCII do not need it. Writes none that is
 * not that of the task any more: replicas of the version before go on writing.
 */
const foldTexts = (db: Kysely<any>, { user_id, id, title, description }: Row) =>
  sql`
    update task set title_folded = ${foldedColumn(title)}, description_folded = ${foldedColumn(description)}
    where user_id = ${user_id} and id = ${id} and title = ${title} and description is not distinct from ${description}`.execute(
    db,
  )
