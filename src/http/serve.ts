/** Serves content from memory: the same to every client. */
import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'

export type Serve = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

/** Content below this number of bytes fits in a few packets and is not compressed. */
const MIN_COMPRESSED = 16_384

interface Representation {
  bytes: Buffer
  etag: string
}

/**
 * Serves the content, compressed if the client accepts gzip, or 304 to a client that has it already. Ranges and other
 * conditions are ignored, as RFC 9110 allows: the files are few and small.
 */
export function serve(mediaType: string, content: string | Buffer, more: OutgoingHttpHeaders = {}): Serve {
  const plain = represent(Buffer.from(content))
  const isCompressible = plain.bytes.length >= MIN_COMPRESSED
  // Compressed when it is first asked for, outside the event loop.
  let compressed: Promise<Representation> | undefined
  return async (request, reply) => {
    const isGzip = isCompressible && new Negotiator(request.raw).encoding(['gzip', 'identity']) === 'gzip'
    if (isGzip) compressed ??= promisify(gzip)(plain.bytes).then(represent)
    const { bytes, etag } = (await (isGzip ? compressed : plain)) as Representation
    reply.headers({ etag, 'cache-control': 'no-cache', ...more })
    if (isCompressible) vary(reply, 'Accept-Encoding')
    if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send()
    if (isGzip) reply.header('content-encoding', 'gzip')
    return reply.header('content-type', mediaType).send(bytes)
  }
}

const represent = (bytes: Buffer): Representation => ({
  bytes,
  etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
})

/** Tells caches that the response depends on a header of the request, beside those named already. */
export function vary(reply: FastifyReply, header: string): void {
  const others = reply.getHeader('vary')
  reply.header('vary', others === undefined ? header : `${others}, ${header}`)
}

/** The weak comparison that RFC 9110, 13.1.2 requires: a proxy that compresses responses makes tags weak. */
const matches = (condition: string | undefined, etag: string) =>
  condition?.split(',').some(tag => ['*', etag].includes(tag.trim().replace(/^W\//, ''))) === true
