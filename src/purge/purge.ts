/** Deletes for good what nobody can ask for any more: old tombstones and the keys of requests long done. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { Kysely } from 'kysely'
import { breaksConnection, describeError } from '../database/errors.ts'
import type { Tables } from '../database/tables.ts'
import * as queries from './queries.ts'

/** For how many milliseconds each is kept. */
export interface Retention {
  tombstones: number
  keys: number
}

/** How many rows of each kind are deleted at a time: few enough that nobody waits for it. */
const CHUNK = 500

/** For how many milliseconds the job is taken before each chunk: longer than one lasts, if nothing is wrong. */
const LEASE = 60_000

export interface Purged {
  tombstones: number
  keys: number
  /** For how many users a chunk could not be deleted, and is left for the next time. */
  failed: number
}

export interface PurgeOptions {
  signal?: AbortSignal
  /** Gets the sum so far after each chunk. */
  progress?: (purged: Purged) => void
  /** Gets the error of a user's chunk that could not be deleted. */
  onFailure?: (error: unknown) => void
}

/**
 * Purges until everything that is too old was tried once, or `signal` aborts. It may end anywhere: each chunk stands for itself.
 * Keys come first, for there are more of them. Where one user's rows cannot be deleted it goes on with the next one's.
 * @throws whatever breaks the connection to the database
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
      await queries.keep(db, { until: ago(-LEASE) })
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

/** Purges from time to time, in one of the replicas at a time, until `signal` aborts; trouble is logged, and the next time comes. */
export async function purgePeriodically(
  db: Kysely<Tables>,
  retention: Retention,
  interval: number,
  log: FastifyBaseLogger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      if ((await queries.claim(db, { now: ago(0), until: ago(-interval) })) !== undefined) {
        const onFailure = (error: unknown) => log.warn({ error: describeError(error) }, "a user's rows were not purged")
        const purged = await purge(db, retention, { signal, onFailure })
        // Where it was stopped, the next one may go on at once.
        await queries.keep(db, { until: signal.aborted ? ago(0) : ago(-interval) })
        if (purged.tombstones + purged.keys > 0) log.info(purged, 'purged what was too old')
      } else log.debug('purging is done elsewhere, or was not long ago')
    } catch (error) {
      log.warn({ error: describeError(error) }, 'purging failed, and will be tried again')
    }
    await sleep(interval, undefined, { signal }).catch(() => undefined)
  }
}

const ago = (milliseconds: number) => new Date(Date.now() - milliseconds).toISOString()
