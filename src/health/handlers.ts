/** Health checks: whether the service can receive traffic (readiness), and whether the process is alive (liveness). */
import type { Context, Handler } from '../context.ts'
import { databaseUnavailable } from '../contract/problem.ts'
import type { Output } from '../contract/types.ts'
import { isUnavailable } from '../database/errors.ts'
import { writeHeartbeat } from './queries.ts'

/** How many milliseconds an outcome is reused: callers need no token, so many checks must not cause many writes. */
export const REUSED_FOR = 500

interface Check {
  outcome: Promise<Output<'getHealth'>>
  /** `performance.now()` from which a new check is made; infinite while this one is in progress. */
  expiresAt: number
}

const checks = new WeakMap<Context['db'], Check>()

/** Reuses the outcome of a write that is in progress or at most half a second old, whether it succeeded or failed. */
export const getHealth: Handler<'getHealth'> = (_input, context) => {
  const latest = checks.get(context.db)
  return (latest !== undefined && performance.now() < latest.expiresAt ? latest : startCheck(context)).outcome
}

function startCheck(context: Context): Check {
  const check: Check = { outcome: write(context), expiresAt: Number.POSITIVE_INFINITY }
  const expire = () => {
    check.expiresAt = performance.now() + REUSED_FOR
  }
  check.outcome.then(expire, expire)
  checks.set(context.db, check)
  return check
}

/** A database that refuses the write is unavailable, whatever the reason. */
async function write({ db, now }: Context): Promise<Output<'getHealth'>> {
  try {
    await writeHeartbeat(db, { now: now().toISOString() })
    return { status: 200, body: { status: 'ok' } }
  } catch (error) {
    if (isUnavailable(error)) throw error
    return databaseUnavailable(error)
  }
}

/** Checks nothing: any response proves that the process is alive. */
export const getLiveness: Handler<'getLiveness'> = async () => ({ status: 200, body: { status: 'ok' } })
