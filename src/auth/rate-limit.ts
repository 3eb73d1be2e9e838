/** Rate limits: fixed windows of a minute, counted in this process (each replica counts for itself). */
import { Problem } from '../contract/problem.ts'

/** Seconds. */
const WINDOW = 60

/**
 * Maximum number of keys in one generation. Beyond it, the oldest keys are forgotten early and start over: an attacker
 * with that many addresses never reaches the limit of any of them anyway, but must not exhaust the memory.
 */
const CAPACITY = 100_000

export interface RateLimit {
  /**
   * Counts `cost` requests (1 by default) of `key`, and returns the response headers that report the state of the limit
   * (draft-ietf-httpapi-ratelimit-headers).
   * @throws Problem `rate_limited` if fewer are left
   */
  count(key: string, cost?: number): Record<string, string>
  /** Requests per minute. */
  readonly limit: number
  /** Counts nothing. @throws Problem `rate_limited` if `key` has no requests left */
  check(key: string): void
  /** Whether any key was counted recently; if not, `check` cannot throw. */
  readonly isInUse: boolean
}

/** The usage of one key in its window, which began with its first request. */
interface Usage {
  left: number
  /** In milliseconds. */
  endsAt: number
}

/**
 * @param limit requests per minute
 * @param now the time in milliseconds since any fixed moment
 */
export function createRateLimit(name: string, limit: number, now = performance.now.bind(performance)): RateLimit {
  // Unused keys are forgotten when the older generation is dropped.
  let [recent, older] = [new Map<string, Usage>(), new Map<string, Usage>()]
  let rotatesAt = 0
  const policy = `"${name}";q=${limit};w=${WINDOW}`

  /** Undefined if the key has no current window. */
  function find(key: string, time: number): Usage | undefined {
    if (time >= rotatesAt || recent.size >= CAPACITY) {
      older = recent
      recent = new Map()
      rotatesAt = time + WINDOW * 1000
    }
    const usage = recent.get(key) ?? older.get(key)
    return usage !== undefined && usage.endsAt > time ? usage : undefined
  }

  const headers = ({ left, endsAt }: Usage, time: number) => ({
    'ratelimit-policy': policy,
    ratelimit: `"${name}";r=${left};t=${Math.ceil((endsAt - time) / 1000)}`,
  })

  function refuse(usage: Usage, time: number): never {
    const seconds = Math.ceil((usage.endsAt - time) / 1000)
    throw new Problem('rate_limited', `At most ${limit} requests per minute are allowed. Try again in ${seconds} s.`, {
      headers: { ...headers(usage, time), 'retry-after': `${seconds}` },
    })
  }

  return {
    get isInUse() {
      return recent.size + older.size > 0
    },
    limit,
    count(key, cost = 1) {
      const time = now()
      const usage = find(key, time) ?? { left: limit, endsAt: time + WINDOW * 1000 }
      recent.set(key, usage)
      if (usage.left < cost) refuse(usage, time)
      usage.left -= cost
      return headers(usage, time)
    },
    check(key) {
      const time = now()
      const usage = find(key, time)
      if (usage?.left === 0) refuse(usage, time)
    },
  }
}
