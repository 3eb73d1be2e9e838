/** Random numbers from a seed, so that a run's choices can be reproduced. */
export interface Random {
  /** An integer from 0 to `limit - 1`. */
  below(limit: number): number
  pick<T>(choices: readonly T[]): T
}

/** mulberry32, by T. Ettinger. */
export function createRandom(seed: number): Random {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return { below, pick: choices => choices[below(choices.length)] as (typeof choices)[number] }
}
