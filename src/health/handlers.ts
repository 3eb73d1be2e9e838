/** Health: may traffic come, and is the process alive. */
import type { Handler, Input } from '../contract/types.ts'
import { isUnavailable } from '../database/errors.ts'
import { databaseUnavailable } from '../problem.ts'
import * as health from './queries.ts'

type Db = Input<'getHealth'>['db']

/** The write that is under way in each database: callers need no token, so many checks at once must not be many writes. */
const beats = new WeakMap<Db, Promise<void>>()

async function beat(db: Db): Promise<void> {
  const pending = beats.get(db) ?? health.beat(db, new Date().toISOString()).finally(() => beats.delete(db))
  beats.set(db, pending)
  return pending
}

/** Writes to the database: whatever the reason, a database that does not take the write is not available. */
export const getHealth: Handler<'getHealth'> = async ({ db }) => {
  try {
    await beat(db)
    return { status: 200, body: { status: 'ok' } }
  } catch (error) {
    if (isUnavailable(error)) throw error
    return databaseUnavailable(error)
  }
}

/** Answers without looking at anything. */
export const getLiveness: Handler<'getLiveness'> = async () => ({ status: 200, body: { status: 'ok' } })
