/** Deletes for good what nobody can ask for any more: old tombstones and the keys of requests long done. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { Kysely } from 'kysely'
import { describeError } from '../database/errors.ts'
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
}

/**
 * Purges until nothing is left that is too old, or `signal` aborts. It may end anywhere: each chunk stands for itself.
 * @param options.progress gets the sum so far after each chunk
 */
export async function purge(
  db: Kysely<Tables>,
  retention: Retention,
  { signal, progress }: { signal?: AbortSignal; progress?: (purged: Purged) => void } = {},
): Promise<Purged> {
  const purged = { tombstones: 0, keys: 0 }
  const [tombstonesBefore, keysBefore] = [ago(retention.tombstones), ago(retention.keys)]
  let more = true
  while (more && !signal?.aborted) {
    await queries.keep(db, ago(-LEASE))
    const users = await queries.findTombstones(db, tombstonesBefore, CHUNK)
    for (const [user, ids] of users) {
      if (signal?.aborted) break
      purged.tombstones += await queries.removeTombstones(db, user, ids, tombstonesBefore)
    }
    const keys = await queries.removeKeys(db, keysBefore, CHUNK)
    purged.keys += keys
    more = users.size > 0 || keys > 0
    if (more) progress?.({ ...purged })
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
      if (await queries.claim(db, ago(0), ago(-interval))) {
        const purged = await purge(db, retention, { signal })
        // Where it was stopped, the next one may go on at once.
        await queries.keep(db, signal.aborted ? ago(0) : ago(-interval))
        if (purged.tombstones + purged.keys > 0) log.info(purged, 'purged what was too old')
      } else log.debug('purging is done elsewhere, or was not long ago')
    } catch (error) {
      log.warn({ error: describeError(error) }, 'purging failed, and will be tried again')
    }
    await sleep(interval, undefined, { signal }).catch(() => undefined)
  }
}

const ago = (milliseconds: number) => new Date(Date.now() - milliseconds).toISOString()
