/** How often somebody may: fixed windows of a minute, counted in this process (each replica counts for itself). */
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import { Problem } from './problem.ts'

/** Seconds. */
const WINDOW = 60

export interface RateLimit {
  /**
   * Counts one request of `key` and returns the response headers that tell where the limit stands
   * (draft-ietf-httpapi-ratelimit-headers).
   * @throws Problem `rate_limited` where that was one too many
   */
  count(key: string): Promise<Record<string, string>>
  /** @throws Problem `rate_limited` where `key` has none left; counts nothing */
  check(key: string): Promise<void>
}

/** @param limit how many a minute */
export function createRateLimit(name: string, limit: number): RateLimit {
  const limiter = new RateLimiterMemory({ points: limit, duration: WINDOW })
  const policy = `"${name}";q=${limit};w=${WINDOW}`
  const secondsLeft = (usage: RateLimiterRes) => Math.max(1, Math.ceil(usage.msBeforeNext / 1000))
  const headers = (usage: RateLimiterRes) => ({
    'ratelimit-policy': policy,
    ratelimit: `"${name}";r=${usage.remainingPoints};t=${secondsLeft(usage)}`,
  })
  const exceeded = (usage: RateLimiterRes) =>
    new Problem('rate_limited', `There may be ${limit} in a minute. Try again in ${secondsLeft(usage)} s.`, {
      headers: { ...headers(usage), 'retry-after': `${secondsLeft(usage)}` },
    })

  return {
    async count(key) {
      try {
        return headers(await limiter.consume(key))
      } catch (error) {
        // This is how the limiter says no; nothing else can fail in memory.
        throw exceeded(error as RateLimiterRes)
      }
    },
    async check(key) {
      const usage = await limiter.get(key)
      if (usage !== null && usage.remainingPoints <= 0) throw exceeded(usage)
    },
  }
}
