/** Bearer token -> user: JSON Web Tokens (RFC 7519, RFC 8725), verified with a shared secret or the issuer's keys. */
import { hash } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import { errors, type JWTPayload, type JWTVerifyOptions, type JWTVerifyResult, jwtVerify } from 'jose'
import { Problem } from '../contract/problem.ts'
import { createIssuerKeys } from './issuer-keys.ts'
import { createTokenMemory } from './token-memory.ts'

export interface AuthConfig {
  /** The shared secret of HS256. */
  secret?: string | undefined
  /** The required `iss`; its keys are found by OIDC discovery, unless `jwksUrl` is set. */
  issuer?: string | undefined
  jwksUrl?: string | undefined
  /** What `aud` must be or contain; if not set, `aud` is not checked. */
  audience?: string | undefined
  /** The required `typ`; if not set, `typ` may be absent or any of an access token. */
  tokenType?: string | undefined
  /** How many milliseconds the issuer's keys are trusted after they were fetched. */
  keysMaxAge?: number
  /** Minimum number of milliseconds between two fetches of the issuer's keys for the same reason. */
  keysCooldown?: number
  /** The time in milliseconds since 1970, which also measures the age of keys. */
  now?: () => number
}

/**
 * Returns the user of an Authorization header, the `sub` of its token; synchronously if the token is remembered.
 * @param admitUnknown called before verifying a token that was never found valid or has expired; throws to refuse it
 * @throws Problem `unauthenticated` (401), or `issuer_unavailable` (503) if there are no keys that can be trusted
 */
export type Authenticate = (authorization: string | undefined, admitUnknown?: () => void) => string | Promise<string>

/** Issuers sign with private keys: a token that claims HS256 must not be verified with a public key as the secret. */
const ISSUER_ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ')

/**
 * Access tokens have the type `at+jwt` (RFC 9068, 2.1), or `JWT` from before that type existed. Any other type is
 * another kind of token (RFC 8725, 3.11), such as a logout token or a proof of possession.
 */
const ACCESS_TOKEN_TYPE = /^(application\/)?(at\+)?jwt$/i

/** Maximum difference between the clocks of issuer and service, in seconds. */
const CLOCK_TOLERANCE = 30

/** Maximum number of milliseconds a verification is remembered: it costs 50 times as much as a lookup. */
const TRUSTED_FOR = 60_000

/** `Bearer`, and a token of the characters that RFC 6750, 2.1 allows. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i

export function createAuthenticate(config: AuthConfig, log: FastifyBaseLogger): Authenticate {
  const { now = Date.now } = config
  const tokens = createTokenMemory()
  /** Counts changes of the keys: a token that was verified with earlier keys is verified again. */
  let generation = 0
  const { verify, trustedFor } = createVerifier(config, log, () => {
    generation += 1
  })

  async function verifyAnew(token: string | undefined, digest: string): Promise<string> {
    if (token === undefined) throw unauthenticated('Send a token, as `Authorization: Bearer <token>`.', 'Bearer')
    // If the keys change during verification, the token is verified again next time.
    const verifiedWith = generation
    try {
      const { sub, exp } = await verify(token)
      if (typeof sub !== 'string') throw invalidToken('its "sub" is not a string')
      const expiresAt = ((exp as number) + CLOCK_TOLERANCE) * 1000
      const trustedUntil = Math.min(expiresAt, now() + Math.min(TRUSTED_FOR, trustedFor()))
      tokens.set(digest, { user: sub, trustedUntil, expiresAt, generation: verifiedWith })
      return sub
    } catch (error) {
      // The token may have been valid until its key was revoked; from now on, it is like any invalid token.
      if (error instanceof Problem && error.code === 'unauthenticated') tokens.delete(digest)
      throw error
    }
  }

  return (authorization, admitUnknown) => {
    const token = BEARER.exec(authorization ?? '')?.[1]
    // A hash, so that a memory dump reveals no tokens.
    const digest = token === undefined ? '' : hash('sha256', token, 'base64')
    const known = tokens.get(digest)
    const time = now()
    if (known !== undefined && known.trustedUntil > time && known.generation === generation) return known.user
    if (known === undefined || known.expiresAt <= time) admitUnknown?.()
    return verifyAnew(token, digest)
  }
}

interface Verifier {
  /** The claims of a valid token. */
  verify(token: string): Promise<JWTPayload>
  /** How many more milliseconds a verification made now may be trusted. */
  trustedFor(): number
}

function createVerifier(config: AuthConfig, log: FastifyBaseLogger, onNewKeys: () => void): Verifier {
  const { secret, issuer, jwksUrl, audience, tokenType, now = Date.now } = config
  const options = (algorithms: string[]): JWTVerifyOptions => ({
    algorithms,
    requiredClaims: ['exp', 'sub'],
    clockTolerance: CLOCK_TOLERANCE,
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
    ...(tokenType !== undefined && { typ: tokenType }),
    currentDate: new Date(now()),
  })

  let check: (token: string) => Promise<JWTVerifyResult>
  let trustedFor = () => Number.POSITIVE_INFINITY
  if (secret === undefined) {
    const { keysMaxAge: maxAge, keysCooldown: cooldown } = config
    const keys = createIssuerKeys({ issuer, jwksUrl, maxAge, cooldown, now: config.now, onNewKeys, log })
    check = token => jwtVerify(token, keys.find, options(ISSUER_ALGORITHMS))
    trustedFor = keys.trustedFor
  } else {
    const key = new TextEncoder().encode(secret)
    check = token => jwtVerify(token, key, options(['HS256']))
  }

  async function verify(token: string): Promise<JWTPayload> {
    try {
      const { payload, protectedHeader } = await check(token)
      if (tokenType === undefined && !isAccessTokenType(protectedHeader.typ)) {
        throw invalidToken('its "typ" is that of another kind of token')
      }
      return payload
    } catch (error) {
      if (error instanceof errors.JOSEError) throw invalidToken(error.message)
      throw error
    }
  }
  return { verify, trustedFor }
}

const isAccessTokenType = (type: unknown) =>
  type === undefined || (typeof type === 'string' && ACCESS_TOKEN_TYPE.test(type))

const invalidToken = (why: string) => unauthenticated(`The token is not valid: ${why}.`, 'Bearer error="invalid_token"')

const unauthenticated = (detail: string, challenge: string) =>
  new Problem('unauthenticated', detail, { headers: { 'www-authenticate': challenge } })
