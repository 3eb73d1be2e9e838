/** Health: may traffic come, and is the process alive. */
import type { Handler } from '../contract/types.ts'
import * as health from './queries.ts'

/** Writes to the database and answers 200; a failed write goes up and becomes 503. */
export const getHealth: Handler<'getHealth'> = async ({ db }) => {
  await health.beat(db, new Date().toISOString())
  return { status: 200, body: { status: 'ok' } }
}

/** Answers without looking at anything. */
export const getLiveness: Handler<'getLiveness'> = async () => ({ status: 200, body: { status: 'ok' } })
