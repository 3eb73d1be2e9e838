/**
 * The public keys of a token issuer (JWKS, RFC 7517), found by OIDC discovery or at a configured URL.
 *
 * jose's createRemoteJWKSet is not used: it drops keys that are old while the issuer is unavailable, and its cooldown
 * counts only successful fetches.
 */
import { type AsymmetricKeyDetails, createPublicKey } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWK, type JWTVerifyGetKey, type LocalJWKSet } from 'jose'
import { isTrustworthyUrl } from '../config/loopback.ts'
import { Problem } from '../contract/problem.ts'

/** Milliseconds. */
const COOLDOWN = 10_000
const FIRST_COOLDOWN = 1_000
const REFRESH_AFTER = 600_000
const MAX_AGE = 86_400_000
const FETCH_TIMEOUT = 5_000

/** RFC 7518, 3.3. */
const RSA_BITS = 2048

export interface IssuerKeysOptions {
  issuer: string | undefined
  jwksUrl: string | undefined
  /** How many milliseconds keys are trusted after they were fetched. */
  maxAge: number | undefined
  /** Minimum number of milliseconds between two fetches for the same reason, once there are keys. */
  cooldown: number | undefined
  /** The time in milliseconds, from a monotonic clock: if it were set back, due fetches would not happen. */
  now: (() => number) | undefined
  /** Called when the keys have changed. */
  onNewKeys: () => void
  log: FastifyBaseLogger
}

export interface IssuerKeys {
  /** Finds the key of a token. @throws Problem `issuer_unavailable` if there are no keys that can be trusted */
  find: JWTVerifyGetKey
  /** How many more milliseconds a token that was verified with the present keys may be trusted. */
  trustedFor(): number
}

/**
 * An unknown key id causes a fetch, so that keys can be rotated. Old keys are fetched again in the background, so that
 * revoked keys disappear. While the issuer is unavailable, known keys stay in use until they are too old to be trusted.
 */
export function createIssuerKeys({
  issuer,
  jwksUrl,
  maxAge = MAX_AGE,
  cooldown = COOLDOWN,
  now = performance.now.bind(performance),
  onNewKeys,
  log,
}: IssuerKeysOptions): IssuerKeys {
  // Early enough that keys do not expire because of a single failed fetch.
  const refreshAfter = Math.min(REFRESH_AFTER, maxAge / 2)
  let keys: LocalJWKSet | undefined
  /** The JSON of `keys`. */
  let source: string | undefined
  let fetchedAt = Number.NEGATIVE_INFINITY
  /** The time of the last fetch for each reason. Callers can cause only fetches because of an unknown key. */
  const attemptedAt = { age: Number.NEGATIVE_INFINITY, unknownKey: Number.NEGATIVE_INFINITY }
  let attempt: Promise<void> | undefined
  let failing = false

  const trustedFor = () => fetchedAt + maxAge - now()

  /** Fetches the keys, unless the cooldown is not over. A failure is logged once per outage, and keeps the keys. */
  async function refresh(reason: keyof typeof attemptedAt): Promise<void> {
    if (attempt !== undefined) return attempt
    if (now() - attemptedAt[reason] < (keys === undefined ? FIRST_COOLDOWN : cooldown)) return
    attemptedAt[reason] = now()
    attempt = load()
    await attempt
    attempt = undefined
  }

  /** Any caller can name a weak or malformed key in a token, and each such request would fail with an error. */
  function isUsable(key: JWK): boolean {
    try {
      const { modulusLength = RSA_BITS } = createPublicKey({ key, format: 'jwk' })
        .asymmetricKeyDetails as AsymmetricKeyDetails
      if (modulusLength < RSA_BITS) throw new Error(`it has ${modulusLength} bits, fewer than ${RSA_BITS}`)
      return true
    } catch (error) {
      log.warn({ err: error, kid: key.kid }, 'a key of the token issuer cannot be used')
      return false
    }
  }

  async function load(): Promise<void> {
    try {
      const fetched = await fetchKeys(issuer, jwksUrl)
      const text = JSON.stringify(fetched)
      // Callers can cause a fetch, so unchanged keys must not cause every token to be verified again.
      if (keys === undefined || text !== source) {
        keys = createLocalJWKSet({ keys: createLocalJWKSet(fetched).jwks().keys.filter(isUsable) })
        source = text
        onNewKeys()
      }
      fetchedAt = now()
      if (failing) log.info("the token issuer's keys are available again")
      failing = false
    } catch (error) {
      if (!failing) log.warn({ err: error }, "the token issuer's keys cannot be fetched")
      failing = true
    }
  }

  /** The keys, if they can be trusted. */
  async function current(): Promise<LocalJWKSet> {
    if (keys !== undefined && trustedFor() <= 0) {
      keys = undefined
      await refresh('age')
      if (keys === undefined) {
        log.error("the token issuer's keys are too old to be trusted (AUTH_KEYS_MAX_AGE): requests are refused")
      }
    }
    if (keys === undefined) await refresh('age')
    else if (now() - fetchedAt > refreshAfter) void refresh('age')
    if (keys !== undefined) return keys
    throw new Problem('issuer_unavailable', "The token issuer's keys are unavailable. Try again later.")
  }

  // Fetched now, so that an unavailable issuer is logged at start instead of with the first request.
  void refresh('age')
  return {
    async find(header, token) {
      const known = await current()
      try {
        return await known(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
        await refresh('unknownKey')
        return (await current())(header, token)
      }
    },
    trustedFor,
  }
}

async function fetchKeys(issuer: string | undefined, jwksUrl: string | undefined): Promise<JSONWebKeySet> {
  return (await fetchJson(jwksUrl ?? (await discover(issuer as string)))) as JSONWebKeySet
}

/** OpenID Connect Discovery 1.0, section 4: the metadata must name the configured issuer. */
async function discover(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const { issuer: named, jwks_uri } = (await fetchJson(url)) as { issuer: unknown; jwks_uri: unknown }
  if (named !== issuer) {
    throw new Error(`${url} names the issuer ${JSON.stringify(named)} instead of ${JSON.stringify(issuer)}`)
  }
  if (!isTrustworthyUrl(String(jwks_uri))) throw new Error(`${url} has a jwks_uri that is not an https:// URL`)
  return String(jwks_uri)
}

async function fetchJson(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT), redirect: 'error' })
  if (!response.ok) throw new Error(`${url} returned ${response.status}`)
  return response.json()
}
