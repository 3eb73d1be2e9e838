/** The data of the user who is measured and of the neighbours. */
import { type Kysely, sql } from 'kysely'
import { type DatabaseConfig, openDatabase } from '../../../src/database/open.ts'
import type { Tables } from '../../../src/database/tables.ts'
import { silent } from '../../support/service.ts'
import { TASKS_EACH, taskOf } from '../load.ts'

export const DESCRIPTION_CHARACTERS = 10_000
/** Fills the largest page, one of changes. */
const LARGE_TASKS = 500
const TOMBSTONES = 30_000

export type Seed = (db: Kysely<Tables>, user: string) => Promise<void>

export const victimOf = (number: number) => `victim-${number}`
export const aggressorOf = (number: number) => `aggressor-${number}`
/** The user who warms up the service. */
export const WARMER = 'warmer'

/**
 * Creates the data before a service starts: PGlite serves one process at a time.
 * @param seeds for each neighbour, what creates its data, if it has any
 */
export async function seed(config: DatabaseConfig, seeds: (Seed | undefined)[]): Promise<void> {
  const database = await openDatabase(config, silent)
  try {
    await database.prepare(new AbortController().signal)
    // Its connection has none of the timeouts that requests have.
    await database.migrate(async db => {
      // The same ids for every user: they are unique per user only.
      const ids = Array.from({ length: TASKS_EACH }, (_, number) => taskOf(number))
      for (const user of [WARMER, ...seeds.map((_, number) => victimOf(number))]) {
        await insertTasks(db, user, sql`unnest(${ids}::uuid[]) with ordinality as made (id, number)`)
      }
      for (const [number, seed] of seeds.entries()) await seed?.(db, aggressorOf(number))
      await sql`vacuum analyze`.execute(db)
    })
  } finally {
    await database.close()
  }
}

/** @param from rows of `made`, which have an `id` and a `number` */
async function insertTasks(
  db: Kysely<Tables>,
  user: string,
  from: ReturnType<typeof sql>,
  { description = 'Two cartons, the unsweetened kind.', isDeleted = false } = {},
): Promise<void> {
  await sql`
    insert into task (user_id, id, title, description, completed, created_at, updated_at, deleted_at, revision)
    select ${user}, id, md5(number::text), ${description}, false, now() - number * interval '1 second', now(),
      case when ${isDeleted} then now() end, number
    from ${from}`.execute(db)
  await sql`
    insert into user_clock (user_id, revision) select user_id, max(revision) from task where user_id = ${user}
    group by user_id`.execute(db)
}

const made = (count: number) =>
  sql`(select gen_random_uuid() as id, number from generate_series(1, ${count}::int) as number) as made`

/** The largest description has four bytes a character; random ones, because PostgreSQL compresses equal ones away. */
export const seedLargeTasks: Seed = (db, user) => {
  const description = Array.from({ length: DESCRIPTION_CHARACTERS }, () =>
    String.fromCodePoint(0x1f300 + Math.floor(Math.random() * 256)),
  ).join('')
  return insertTasks(db, user, made(LARGE_TASKS), { description })
}

export const seedTrash: Seed = (db, user) => insertTasks(db, user, made(TOMBSTONES), { isDeleted: true })
