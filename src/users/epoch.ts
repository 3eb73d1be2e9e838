/** Gives all users a new epoch, which invalidates every earlier sync token. */
import type { Kysely } from 'kysely'
import { createEpoch } from '../database/epoch.ts'
import type { Tables } from '../database/tables.ts'
import { renewEpoch } from './queries.ts'

/** Number of users updated at a time. */
const CHUNK = 1_000

/**
 * How far revisions are moved forward: beyond any revision taken after the backup, which must not be used again.
 * JavaScript's exact numbers have room for 2^21 restores.
 */
const REVISION_GAP = 2 ** 32

/** @param progress gets the number of users so far after each chunk */
export async function renewEpochs(db: Kysely<Tables>, progress: (users: number) => void): Promise<void> {
  const epoch = createEpoch()
  let users = 0
  let [after, count] = ['', CHUNK]
  while (count === CHUNK) {
    ;({ last: after, count } = await renewEpoch(db, { after, limit: CHUNK, epoch, revisions: REVISION_GAP }))
    users += count
    progress(users)
  }
}
