/** Tokens for tests, and an issuer that publishes its keys over HTTP. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

export const secret = 'a secret of more than thirty-two bytes'

/** Further parameters of a token's header. */
type Header = { [parameter: string]: unknown }

/** Claims that differ from those of a valid token for an hour; null leaves a claim out. */
type Differences = { [claim: string]: unknown }

function payload(user: string, differences: Differences): JWTPayload {
  const seconds = Math.floor(Date.now() / 1000)
  const claims = { sub: user, iat: seconds, exp: seconds + 3600, ...differences }
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== null))
}

/** The header with a token that is signed with a secret. */
export async function bearer(
  user: string,
  differences: Differences = {},
  key = secret,
  header: Header = {},
): Promise<{ authorization: string }> {
  const token = new SignJWT(payload(user, differences)).setProtectedHeader({ alg: 'HS256', ...header })
  return { authorization: `Bearer ${await token.sign(new TextEncoder().encode(key))}` }
}

/** An issuer; its server closes on disposal. */
export interface Issuer extends AsyncDisposable {
  url: string
  jwksUrl: string
  /** How often the keys were fetched. */
  fetches: number
  /** The issuer's metadata, besides what follows from its address. */
  metadata: Record<string, unknown>
  /** Creates a key pair and publishes its public key. */
  addKey(kid: string, alg?: string): Promise<void>
  /** Publishes a key unchanged. */
  publish(kid: string, key: object): void
  dropKey(kid: string): void
  /** The header with a token signed with a key of this issuer, published or not. */
  bearer(user: string, kid: string, differences?: Differences, header?: Header): Promise<{ authorization: string }>
  /** From now on every response has this status; 200 is normal. */
  answerWith(status: number): void
}

export async function startIssuer(): Promise<Issuer> {
  const published = new Map<string, object>()
  const signing = new Map<string, { alg: string; key: CryptoKey }>()
  let status = 200
  const server = createServer((request, response) => {
    const isMetadata = request.url === '/.well-known/openid-configuration'
    if (!isMetadata) issuer.fetches += 1
    const body = isMetadata
      ? { issuer: issuer.url, jwks_uri: issuer.jwksUrl, ...issuer.metadata }
      : { keys: [...published.values()] }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer: Issuer = {
    url,
    jwksUrl: `${url}/keys`,
    fetches: 0,
    metadata: {},
    async addKey(kid, alg = 'ES256') {
      const { publicKey, privateKey } = await generateKeyPair(alg)
      signing.set(kid, { alg, key: privateKey })
      published.set(kid, { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' })
    },
    publish: (kid, key) => published.set(kid, key),
    dropKey: kid => published.delete(kid),
    async bearer(user, kid, differences = {}, header = {}) {
      const { alg, key } = signing.get(kid) as { alg: string; key: CryptoKey }
      const token = new SignJWT(payload(user, { iss: url, ...differences }))
      token.setProtectedHeader({ alg, kid, ...header })
      return { authorization: `Bearer ${await token.sign(key)}` }
    },
    answerWith(wanted) {
      status = wanted
    },
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
  return issuer
}
