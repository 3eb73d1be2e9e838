/** Who may, and how often: what stands before every operation that the contract secures. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import ipaddr from 'ipaddr.js'
import { Problem } from '../contract/problem.ts'
import type { Authenticate } from './authenticate.ts'
import type { RateLimit } from './rate-limit.ts'

export interface GuardOptions {
  /** Where it is not given, everybody may read and write everything. */
  authenticate?: Authenticate | undefined
  /** For each user. */
  userLimit?: RateLimit | undefined
  /**
   * For each address: counts only requests without a valid token and refuses only tokens that were never found valid,
   * so that a flood, whether from a user or a stranger, does not affect others at the same address.
   */
  addressLimit?: RateLimit | undefined
}

export interface Guard {
  /** The hook that stands before the operation. */
  admit(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): Promise<void> | void
  /**
   * Counts an admitted request of `user` as `cost` requests.
   * @throws Problem `rate_limited` where fewer are left
   */
  charge(user: string, cost: number, reply: FastifyReply): void
}

/** 401 without a valid token, 429 for too many requests, 403 for another user's path; before anything else is checked. */
export function createGuard({ authenticate, userLimit, addressLimit }: GuardOptions): Guard {
  function userOf(request: FastifyRequest, owner: string): string | Promise<string> {
    if (authenticate === undefined) return owner
    // Only tokens that were never found valid can be refused for what others at the same address send.
    return authenticate(request.headers.authorization, () => {
      if (addressLimit?.isInUse) addressLimit.check(network(request.ip))
    })
  }

  function admit(user: string, owner: string, reply: FastifyReply): void {
    if (userLimit !== undefined) reply.headers(userLimit.count(user))
    if (user !== owner) throw new Problem('forbidden', "The token's user and the user_id of the path differ.")
  }

  async function admitLater(user: Promise<string>, owner: string, request: FastifyRequest, reply: FastifyReply) {
    // Of one who hangs up meanwhile it is not known any more.
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
    // The router has decoded it, once; it is this very value that the queries get.
    const { user_id: owner } = request.params as { user_id: string }
    try {
      const user = userOf(request, owner)
      // Of most requests the user is known at once: those wait for nothing.
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
      // One is counted already. What costs more than a minute has is taken as all of it: else it could never be sent.
      const more = Math.min(cost, userLimit.limit) - 1
      if (more > 0) reply.headers(userLimit.count(user, more))
    },
  }
}

/**
 * An IPv4 address, or the /64 of an IPv6 one: whoever has one address there has all of them. A trusted proxy may pass on
 * what is none, and a caller who hung up has none any more.
 */
function network(address: string | undefined): string {
  if (address === undefined || !ipaddr.isValid(address)) return `${address}`
  const parsed = ipaddr.process(address)
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(':') : parsed.toString()
}
