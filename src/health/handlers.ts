/** Health: may traffic come, and is the process alive. */
import type { Handler } from '../contract/types.ts'
import { isUnavailable } from '../database/errors.ts'
import { databaseUnavailable } from '../problem.ts'
import * as health from './queries.ts'

/** Writes to the database: whatever the reason, a database that does not take the write is not available. */
export const getHealth: Handler<'getHealth'> = async ({ db }) => {
  try {
    await health.beat(db, new Date().toISOString())
    return { status: 200, body: { status: 'ok' } }
  } catch (error) {
    if (isUnavailable(error)) throw error
    return databaseUnavailable(error)
  }
}

/** Answers without looking at anything. */
export const getLiveness: Handler<'getLiveness'> = async () => ({ status: 200, body: { status: 'ok' } })
