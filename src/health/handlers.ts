/** Health: may traffic come, and is the process alive. */

import { databaseUnavailable } from '../contract/problem.ts'
import type { Handler, Input, Output } from '../contract/types.ts'
import { isUnavailable } from '../database/errors.ts'
import * as health from './queries.ts'

type Db = Input<'getHealth'>['db']

/** For how many milliseconds an outcome is remembered: callers need no token, so many checks must not be many writes. */
export const REMEMBERED_FOR = 500

interface Beat {
  outcome: Promise<Output<'getHealth'>>
  /** When it is over, `performance.now()` after which it is forgotten; until then it is shared in any case. */
  until: number
}

const beats = new WeakMap<Db, Beat>()

/** Writes to the database: whatever the reason, a database that does not take the write is not available. */
async function check(db: Db): Promise<Output<'getHealth'>> {
  try {
    await health.beat(db, { now: new Date().toISOString() })
    return { status: 200, body: { status: 'ok' } }
  } catch (error) {
    if (isUnavailable(error)) throw error
    return databaseUnavailable(error)
  }
}

function startBeat(db: Db): Beat {
  const beat: Beat = { outcome: check(db), until: Number.POSITIVE_INFINITY }
  const remember = () => {
    beat.until = performance.now() + REMEMBERED_FOR
  }
  beat.outcome.then(remember, remember)
  beats.set(db, beat)
  return beat
}

/** The outcome of a write that is no older than half a second, or still in progress; one that failed as well. */
export const getHealth: Handler<'getHealth'> = ({ db }) => {
  const known = beats.get(db)
  return (known !== undefined && performance.now() < known.until ? known : startBeat(db)).outcome
}

/** Answers without looking at anything. */
export const getLiveness: Handler<'getLiveness'> = async () => ({ status: 200, body: { status: 'ok' } })
