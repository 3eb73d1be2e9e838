/** Gives all users a new epoch: afterwards no sync token from before is valid. */
import type { Kysely } from 'kysely'
import { createEpoch } from '../database/epoch.ts'
import type { Tables } from '../database/tables.ts'
import { renewEpoch } from './queries.ts'

/** How many users get theirs at a time. */
const CHUNK = 1_000

/**
 * How far revisions are moved on: further than any that were given after the backup, which must not be given again.
 * 2^21 restores fit into a number that is exact in JavaScript.
 */
const REVISIONS = 2 ** 32

/** @param progress gets the number of users so far after each chunk */
export async function renewEpochs(db: Kysely<Tables>, progress: (users: number) => void): Promise<void> {
  const epoch = createEpoch()
  let users = 0
  let [after, count] = ['', CHUNK]
  while (count === CHUNK) {
    ;({ last: after, count } = await renewEpoch(db, { after, limit: CHUNK, epoch, revisions: REVISIONS }))
    users += count
    progress(users)
  }
}
