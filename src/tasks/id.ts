/** Ids of new tasks: UUIDs of version 7 (RFC 9562, 5.7), each greater than the one before it in this process. */
import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

/** How many random bytes an id takes. */
const SIZE = 16

/** The random bytes of the next ids: asking the system for each one's would cost more than all the rest of it. */
const pool = new Uint8Array(256 * SIZE)
let used = pool.length

let last = { msecs: 0, seq: 0 }

/**
 * Those of one millisecond are numbered on from a random number (RFC 9562, 6.2, method 2), which leaves room for a
 * billion of them.
 */
export function createId(now = Date.now()): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, used + SIZE)
  used += SIZE
  const start = ((random[6] as number) << 16) | ((random[7] as number) << 8) | (random[8] as number)
  last = now > last.msecs ? { msecs: now, seq: start } : { msecs: last.msecs, seq: last.seq + 1 }
  return v7({ random, ...last })
}
