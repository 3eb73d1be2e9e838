/** The service's own origin, and the challenge that says where its metadata is (RFC 9728). */
import type { FastifyRequest } from 'fastify'

/** Where the metadata of the protected resource is served. */
export const METADATA_PATH = '/.well-known/oauth-protected-resource'

/** The origin at which the client reaches the service; undefined if it is not configured and Host names no host. */
export type OriginOf = (request: FastifyRequest) => string | undefined

/** @param publicUrl the configured origin */
export const createOriginOf =
  (publicUrl: string | undefined): OriginOf =>
  request =>
    publicUrl ?? originFromHost(request)

/** Only characters that need no quoting: the origin becomes part of headers. */
const ORIGIN = /^https?:\/\/[a-z0-9._:[\]-]+$/

function originFromHost({ protocol, host }: FastifyRequest): string | undefined {
  const origin = URL.parse(`${protocol}://${host}`)?.origin
  return origin !== undefined && ORIGIN.test(origin) ? origin : undefined
}

/** Completes the challenge of a 401. */
export type CompleteChallenge = (challenge: string, request: FastifyRequest) => string

export const createCompleteChallenge =
  (originOf: OriginOf): CompleteChallenge =>
  (challenge, request) => {
    const origin = originOf(request)
    if (origin === undefined) return challenge
    return `${challenge}${challenge.includes(' ') ? ',' : ''} resource_metadata="${origin}${METADATA_PATH}"`
  }
