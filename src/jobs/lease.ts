/** Leases: a job runs only in the replica that holds its lease. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Tables } from '../database/tables.ts'
import { claim, keep } from './lease-queries.ts'

export interface Lease {
  /** Aborts when the job may belong to another replica. */
  readonly lost: AbortSignal
  /**
   * Releases the job, which is free again after `delay` milliseconds.
   * @throws the reason if the lease was lost
   */
  end(delay: number): Promise<void>
}

/**
 * Takes the job if it is free, and extends the lease until it ends.
 * @param duration how many milliseconds the job stays taken after this process has died
 * @returns undefined if the job is not free
 */
export async function takeLease(db: Kysely<Tables>, name: string, duration: number): Promise<Lease | undefined> {
  let held = fromNow(duration)
  if ((await claim(db, { name, now: fromNow(0), until: held })) === undefined) return undefined
  const extend = async (milliseconds: number) => {
    const until = fromNow(milliseconds)
    if ((await keep(db, { name, held, until })) === undefined) throw new Error('another replica has taken the job')
    held = until
  }
  const ending = new AbortController()
  const losing = new AbortController()
  const keeping = async () => {
    try {
      for (;;) {
        await sleep(duration / 3, undefined, { signal: ending.signal })
        await extend(duration)
      }
    } catch (error) {
      // Without a result it is unknown whether the lease was extended, so it counts as lost.
      if (!ending.signal.aborted) losing.abort(error)
    }
  }
  const kept = keeping()
  return {
    lost: losing.signal,
    async end(delay) {
      ending.abort()
      await kept
      losing.signal.throwIfAborted()
      await extend(delay)
    },
  }
}

const fromNow = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString()
