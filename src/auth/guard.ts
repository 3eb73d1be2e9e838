/** Authorization and rate limits, checked before every operation that the contract secures. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import ipaddr from 'ipaddr.js'
import { Problem } from '../contract/problem.ts'
import type { Authenticate } from './authenticate.ts'
import type { RateLimit } from './rate-limit.ts'

export interface GuardOptions {
  /** If undefined, every client may read and write everything. */
  authenticate?: Authenticate | undefined
  /** For each user. */
  userLimit?: RateLimit | undefined
  /**
   * For each address: counts only requests without a valid token, and refuses only tokens that were never verified, so
   * that a flood, with or without a valid token, does not affect others at the same address.
   */
  addressLimit?: RateLimit | undefined
}

export interface Guard {
  /** The Fastify hook that runs before the operation. */
  admit(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): Promise<void> | void
  /**
   * Counts an admitted request of `user` as `cost` requests.
   * @throws Problem `rate_limited` if fewer are left
   */
  charge(user: string, cost: number, reply: FastifyReply): void
}

/** 401 without a valid token, 429 for too many requests, 403 for another user's path; all before validation. */
export function createGuard({ authenticate, userLimit, addressLimit }: GuardOptions): Guard {
  function userOf(request: FastifyRequest, owner: string): string | Promise<string> {
    if (authenticate === undefined) return owner
    // Other clients at the same address can cause the refusal only of tokens that were never verified.
    return authenticate(request.headers.authorization, () => {
      if (addressLimit?.isInUse) addressLimit.check(network(request.ip))
    })
  }

  function admit(user: string, owner: string, reply: FastifyReply): void {
    if (userLimit !== undefined) reply.headers(userLimit.count(user))
    if (user !== owner)
      throw new Problem('forbidden', 'The token belongs to a different user than the one in the path.')
  }

  async function admitLater(user: Promise<string>, owner: string, request: FastifyRequest, reply: FastifyReply) {
    // Read it now: the address is gone once the client disconnects.
    const { ip } = request
    try {
      admit(await user, owner, reply)
    } catch (error) {
      const isRefused = error instanceof Problem && error.code === 'unauthenticated'
      if (isRefused && addressLimit !== undefined) reply.headers(addressLimit.count(network(ip)))
      throw error
    }
  }

  function hook(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) {
    // Already decoded by the router; the queries get this same value.
    const { user_id: owner } = request.params as { user_id: string }
    try {
      const user = userOf(request, owner)
      // Most requests have a remembered token, so they need not wait.
      if (typeof user !== 'string') return admitLater(user, owner, request, reply)
      admit(user, owner, reply)
    } catch (error) {
      return done(error as Error)
    }
    done()
  }

  return {
    admit: hook,
    charge(user, cost, reply) {
      if (userLimit === undefined) return
      // One is counted already. A cost above the limit counts as the limit; otherwise the request could never succeed.
      const more = Math.min(cost, userLimit.limit) - 1
      if (more > 0) reply.headers(userLimit.count(user, more))
    },
  }
}

/**
 * An IPv4 address, or the /64 of an IPv6 address, because a client that has one address there usually has all of them.
 * A trusted proxy may pass on text that is no address, and a disconnected client has none.
 */
function network(address: string | undefined): string {
  if (address === undefined || !ipaddr.isValid(address)) return `${address}`
  const parsed = ipaddr.process(address)
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(':') : parsed.toString()
}
