/** Ids of new tasks: UUIDs of version 7 (RFC 9562, 5.7), each greater than the one before it in this process. */
import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

/** Random bytes per id. */
const SIZE = 16

/** Random bytes for the next ids: a system call for each id would cost more than everything else. */
const pool = new Uint8Array(256 * SIZE)
let used = pool.length

let last = { msecs: 0, seq: 0 }

/**
 * Ids of the same millisecond count up from a random number (RFC 9562, 6.2, method 2), which leaves room for a billion
 * of them.
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
