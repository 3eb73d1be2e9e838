/** Remembers the most recently verified tokens by their hash, a bounded number per user. */

/** Maximum number of tokens. */
const CAPACITY = 10_000

/** Maximum number of tokens per user, so that a user with many tokens displaces only their own. */
const CAPACITY_PER_USER = 32

export interface VerifiedToken {
  user: string
  /** When the token must be verified again, in milliseconds since 1970. */
  trustedUntil: number
  /** When the token expires, in milliseconds since 1970. */
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
  // Both are in the order of the last verification, the oldest first.
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
      // After forgetting, because that deletes a user's set with the user's last token.
      digestsOf.set(token.user, own.add(digest))
      tokens.set(digest, token)
    },
    delete: forget,
  }
}
