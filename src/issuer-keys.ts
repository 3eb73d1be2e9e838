/**
 * The public keys of a token issuer (JWKS, RFC 7517), found by OIDC discovery or at a URL of their own.
 *
 * jose's createRemoteJWKSet is not used: it forgets its keys when they are old and the issuer is down, and counts only
 * successful fetches for its cooldown.
 */
import type { FastifyBaseLogger } from 'fastify'
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey, type LocalJWKSet } from 'jose'
import { isLoopback } from './loopback.ts'
import { Problem } from './problem.ts'

/** Milliseconds. */
const COOLDOWN = 30_000
const FIRST_COOLDOWN = 1_000
const MAX_AGE = 600_000
const FETCH_TIMEOUT = 5_000

export interface IssuerKeysOptions {
  issuer: string | undefined
  jwksUrl: string | undefined
  /** Within how many milliseconds one fetch is made at the most, once there are keys. */
  cooldown: number | undefined
  /** The time in milliseconds. */
  now: () => number
  onNewKeys: () => void
  log: FastifyBaseLogger
}

/**
 * Finds the key of a token. An unknown key id leads to a fetch, so that keys can be rotated; keys that are old are fetched
 * in the background, so that revoked ones go; those that are known stay in use while the issuer cannot be reached.
 */
export function createIssuerKeys({
  issuer,
  jwksUrl,
  cooldown = COOLDOWN,
  now,
  onNewKeys,
  log,
}: IssuerKeysOptions): JWTVerifyGetKey {
  let keys: LocalJWKSet | undefined
  let fetchedAt = 0
  let attemptedAt = Number.NEGATIVE_INFINITY
  let attempt: Promise<void> | undefined
  let failing = false

  /** Fetches the keys, unless that was tried a moment ago; failures are logged once and leave the keys as they are. */
  async function refresh(): Promise<void> {
    if (attempt !== undefined) return attempt
    if (now() - attemptedAt < (keys === undefined ? FIRST_COOLDOWN : cooldown)) return
    attemptedAt = now()
    attempt = load()
    await attempt
    attempt = undefined
  }

  async function load(): Promise<void> {
    try {
      keys = createLocalJWKSet(await fetchKeys(issuer, jwksUrl))
      fetchedAt = now()
      onNewKeys()
      if (failing) log.info("the token issuer's keys are there")
      failing = false
    } catch (error) {
      if (!failing) log.warn({ err: error }, "the token issuer's keys cannot be fetched")
      failing = true
    }
  }

  // An issuer that cannot be reached is told of at the start and not with the first request.
  void refresh()
  return async (header, token) => {
    if (keys === undefined) await refresh()
    else if (now() - fetchedAt > MAX_AGE) void refresh()
    if (keys === undefined) {
      throw new Problem(
        'keys_unavailable',
        "The token issuer's keys are not available at the moment. Try again later.",
        {
          headers: { 'retry-after': '1' },
        },
      )
    }
    try {
      return await keys(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await refresh()
      return keys(header, token)
    }
  }
}

async function fetchKeys(issuer: string | undefined, jwksUrl: string | undefined): Promise<JSONWebKeySet> {
  return (await fetchJson(jwksUrl ?? (await discover(issuer as string)))) as JSONWebKeySet
}

/** OpenID Connect Discovery 1.0, section 4: the metadata must name the issuer that was asked. */
async function discover(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const { issuer: named, jwks_uri } = (await fetchJson(url)) as { issuer: unknown; jwks_uri: unknown }
  if (named !== issuer)
    throw new Error(`${url} is of the issuer ${JSON.stringify(named)} and not of ${JSON.stringify(issuer)}`)
  if (!isTrustworthy(String(jwks_uri))) throw new Error(`${url} names keys that do not come over HTTPS`)
  return String(jwks_uri)
}

/** Keys that came over plain HTTP could be anybody's; this machine's own issuer is for trying things out. */
export function isTrustworthy(text: string): boolean {
  const url = URL.parse(text)
  return url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))
}

async function fetchJson(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT), redirect: 'error' })
  if (!response.ok) throw new Error(`${url} was answered ${response.status}`)
  return response.json()
}
