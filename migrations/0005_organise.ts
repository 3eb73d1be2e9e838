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
 * It is immutable, as Citus requires of an update: `extract` from a timestamptz is declared stable, that from an interval
 * immutable.
 */
const positionOf = (created: string, id: string) =>
  `'V' || lpad((extract(epoch from ${created} - '1970-01-01T00:00:00Z'::timestamptz) * 1000)::bigint::text, 13, '0')
    || right(${id}::text, 8) || 'V'`
const POSITION = positionOf('created_at', 'id')

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
    // For replicas of the previous version, which go on creating tasks.
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

/** Every statement waits behind one that waits to alter the table, so it gives up soon and the migration is repeated. */
const alter = (db: Kysely<any>, ...actions: string[]): Promise<void> =>
  withoutWaiting(db, async transaction => {
    await sql.raw(`alter table task ${actions}`).execute(transaction)
  })

/**
 * A transaction that gives up soon if it has to wait for a lock: it holds row locks itself, so a longer wait could end
 * in a deadlock with requests.
 */
const withoutWaiting = (db: Kysely<any>, work: (transaction: Kysely<any>) => Promise<void>): Promise<void> =>
  db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async transaction => {
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

/** Number of tasks to fill in per transaction. */
const CHUNK = 500

interface Row {
  user_id: string
  id: string
  title: string
  description: string | null
  isAscii: boolean
}

const isAscii = (column: string) => `octet_length(${column}) = length(${column})`
/** Folding never returns null for such a text. */
const isUnfolded = (column: string) => `${column}_folded is null and not ${isAscii(column)}`

/**
 * Gives existing tasks their positions and folded texts. Tasks that older replicas create in the meantime have a
 * position, and may lack the texts.
 */
async function fill(db: Kysely<any>): Promise<void> {
  let after: Row | undefined
  do {
    const start = after === undefined ? sql`true` : sql`(user_id, id) > (${after.user_id}, ${after.id}::uuid)`
    const { rows } = await sql<Row>`
      select user_id, id, title, description, ${sql.raw(isAscii('concat(title, description)'))} as "isAscii"
      from task
      where ${start} and (position is null
        or ${sql.raw(isUnfolded('title'))} or ${sql.raw(isUnfolded('description'))})
      order by user_id, id limit ${sql.lit(CHUNK)}`.execute(db)
    const last = rows.at(-1)
    if (last !== undefined) {
      await withoutWaiting(db, async transaction => {
        for (const row of rows) if (!row.isAscii) await fillOne(transaction, row)
        await sql`
          update task set position = ${sql.raw(POSITION)}
          where ${start} and (user_id, id) <= (${last.user_id}, ${last.id}::uuid) and position is null`.execute(
          transaction,
        )
      })
    }
    after = last
  } while (after !== undefined)
}

/**
 * Gives a task its position and folds its texts as the service folds those of queries; texts in ASCII do not need it.
 * A text that an older replica has changed in the meantime is left alone.
 */
const fillOne = (db: Kysely<any>, { user_id, id, title, description }: Row) =>
  sql`
    update task set position = coalesce(position, ${sql.raw(POSITION)}),
      title_folded = case when title = ${title} then ${foldedColumn(title)} else title_folded end,
      description_folded =
        case when description = ${description} then ${foldedColumn(description)} else description_folded end
    where user_id = ${user_id} and id = ${id}`.execute(db)
