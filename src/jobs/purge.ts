/** Purges expired tombstones and idempotency keys. */
import type { Kysely } from 'kysely'
import { breaksConnection, describeError } from '../database/errors.ts'
import type { Tables } from '../database/tables.ts'
import * as queries from './purge-queries.ts'
import type { Job } from './runner.ts'

/** How many milliseconds each is kept. */
export interface Retention {
  tombstones: number
  keys: number
}

/** Number of rows deleted at a time: few enough not to delay requests. */
const CHUNK = 500

export interface Purged {
  tombstones: number
  keys: number
  /** Number of failed deletions, each of one user's rows in a chunk; they are left for the next run. */
  failed: number
}

export interface PurgeOptions {
  signal?: AbortSignal
  /** Gets the totals so far after each chunk. */
  progress?: (purged: Purged) => void
  /** Gets the error of each failed deletion. */
  onFailure?: (error: unknown) => void
}

/**
 * Purges until every expired row was tried once, or `signal` aborts. It may stop anywhere, because each chunk is
 * independent. Keys come first, because there are more of them. If one user's rows cannot be deleted, it continues with
 * the next user.
 * @throws errors that break the connection to the database
 */
export async function purge(db: Kysely<Tables>, retention: Retention, options: PurgeOptions = {}): Promise<Purged> {
  const { signal, progress, onFailure = () => undefined } = options
  const purged: Purged = { tombstones: 0, keys: 0, failed: 0 }
  const kinds = [
    { count: 'keys', before: ago(retention.keys), find: queries.findKeys, remove: queries.removeKeys },
    {
      count: 'tombstones',
      before: ago(retention.tombstones),
      find: queries.findTombstones,
      remove: queries.removeTombstones,
    },
  ] as const
  for (const { count, before, find, remove } of kinds) {
    let position = queries.START
    while (!signal?.aborted) {
      const rows = await find(db, { before, limit: CHUNK, ...position })
      const last = rows.at(-1)
      if (last === undefined) break
      for (const [user, own] of Map.groupBy(rows, ({ user_id }) => user_id)) {
        if (signal?.aborted) return purged
        try {
          const ids = own.map(({ id }) => id)
          purged[count] += (await remove(db, { userId: user, ids, before })).count
        } catch (error) {
          if (breaksConnection(error)) throw error
          purged.failed += 1
          onFailure(error)
        }
      }
      position = last
      progress?.({ ...purged })
    }
  }
  return purged
}

/** Purges in one replica at a time, every `interval` milliseconds. */
export const purgeJob = (retention: Retention, interval: number): Job => ({
  name: 'purge',
  interval,
  async run({ db, log, signal }) {
    const onFailure = (error: unknown) => log.warn({ error: describeError(error) }, "a user's rows were not purged")
    const purged = await purge(db, retention, { signal, onFailure })
    return purged.tombstones + purged.keys > 0 ? purged : undefined
  },
})

const ago = (milliseconds: number) => new Date(Date.now() - milliseconds).toISOString()
