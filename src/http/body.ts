/** Request bodies: bytes -> JSON, for the media types that the operation declares. */
import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Operation } from '../contract/load.ts'
import { Problem } from '../contract/problem.ts'

/**
 * Replaces Fastify's parsers with one for all media types. An empty body is no body, whatever its media type: many
 * clients send DELETE and PATCH with `application/json` and an empty body. Parameters of the media type, including
 * `charset`, are ignored (RFC 8259, 11).
 */
export function parseBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (request: FastifyRequest, bytes: Buffer) => {
    const { operation } = request.routeOptions.config
    if (bytes.length === 0 || operation === undefined) return undefined
    // Validation refuses a body that the operation does not take.
    if (operation.requestBody === undefined) return null
    const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
    if (type === undefined || !(type in operation.requestBody.content) || isEncoded(request)) {
      throw unsupportedMediaType(operation)
    }
    return parseJson(bytes)
  })
}

const isEncoded = (request: FastifyRequest) =>
  (request.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity'

function parseJson(bytes: Buffer): unknown {
  // Decoding would replace invalid bytes with U+FFFD and store text that the client did not send.
  if (!isUtf8(bytes)) throw new Problem('malformed_json', 'The body is not UTF-8.')
  try {
    return JSON.parse(bytes.toString())
  } catch (error) {
    // V8's message quotes the body around the error; it is short enough for the contract.
    throw new Problem('malformed_json', (error as SyntaxError).message.toWellFormed().replaceAll('\0', '\uFFFD'))
  }
}

/** 415 with the accepted media types: in `Accept-Patch` (RFC 5789) for PATCH, else in `Accept` (RFC 9110, 15.5.16). */
export function unsupportedMediaType(operation: Operation | undefined): Problem {
  const taken = Object.keys(operation?.requestBody?.content ?? {}).join(', ')
  if (taken === '') return new Problem('unsupported_media_type', 'This operation takes no body.')
  const name = operation?.method === 'patch' ? 'accept-patch' : 'accept'
  return new Problem('unsupported_media_type', `Send the body as ${taken}, without a content coding.`, {
    headers: { [name]: taken },
  })
}

/** Whether the request has a body that Fastify does not read, such as that of a GET. */
export const hasUnreadBody = ({ headers }: FastifyRequest): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
