/** Tokens that were verified, by their hash: the most recently verified ones, and a bounded number per user. */

/** How many tokens are remembered in all. */
const CAPACITY = 10_000

/** How many tokens of one user are remembered: a user with many tokens displaces their own and nobody else's. */
const CAPACITY_PER_USER = 32

export interface VerifiedToken {
  user: string
  /** Until then the token need not be verified again; in milliseconds since 1970. */
  trustedUntil: number
  /** From then on the token is not valid; in milliseconds since 1970. */
  expiresAt: number
  /** The generation of keys it was verified with. */
  generation: number
}

export interface TokenMemory {
  get(digest: string): VerifiedToken | undefined
  set(digest: string, token: VerifiedToken): void
  delete(digest: string): void
}

export function createTokenMemory(): TokenMemory {
  // In the order of their last verification, the oldest first; so are the digests of each user.
  const tokens = new Map<string, VerifiedToken>()
  const digestsOf = new Map<string, Set<string>>()

  function forget(digest: string): void {
    const token = tokens.get(digest)
    if (token === undefined) return
    tokens.delete(digest)
    const own = digestsOf.get(token.user) as Set<string>
    own.delete(digest)
    if (own.size === 0) digestsOf.delete(token.user)
  }

  function forgetOldest(digests: Iterable<string>): void {
    const [oldest] = digests
    forget(oldest as string)
  }

  return {
    get: digest => tokens.get(digest),
    set(digest, token) {
      forget(digest)
      const own = digestsOf.get(token.user) ?? new Set()
      if (own.size === CAPACITY_PER_USER) forgetOldest(own)
      else if (tokens.size === CAPACITY) forgetOldest(tokens.keys())
      // Only now: forgetting a user's last token forgets the user.
      digestsOf.set(token.user, own.add(digest))
      tokens.set(digest, token)
    },
    delete: forget,
  }
}
