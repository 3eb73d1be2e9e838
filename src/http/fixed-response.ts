/** Responses that are the same for every client. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'

export type Serve = (request: FastifyRequest, reply: FastifyReply) => FastifyReply

/**
 * Serves the same bytes to every client, or 304 to a client that has them already. Ranges and other conditions are
 * ignored, as RFC 9110 allows: the documents are few and small.
 */
export function serve(mediaType: string, content: string | Buffer, headers: Record<string, string> = {}): Serve {
  const bytes = Buffer.from(content)
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
  return (request, reply) => {
    reply.headers({ ...headers, etag, 'cache-control': 'no-cache' })
    if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send()
    return reply.header('content-type', mediaType).send(bytes)
  }
}

/** The weak comparison that RFC 9110, 13.1.2 requires: a proxy that compresses responses makes tags weak. */
const matches = (condition: string | undefined, etag: string) =>
  condition?.split(',').some(tag => ['*', etag].includes(tag.trim().replace(/^W\//, ''))) === true
