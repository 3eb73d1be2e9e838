/** The id of each request: in its log line, in its response and in every problem. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'

export type GetRequestId = (request: IncomingMessage) => string

/**
 * The client's X-Request-Id if it is visible ASCII of at most `maxLength` characters, else a new id: the header must
 * not make a request fail, as an invalid `traceparent` must not (W3C Trace Context, 3.2.2.3).
 */
export function createGetRequestId(maxLength: number): GetRequestId {
  const allowed = /^[!-~]+$/
  return ({ headers }) => {
    const sent = headers['x-request-id']
    return typeof sent === 'string' && sent.length <= maxLength && allowed.test(sent) ? sent : randomUUID()
  }
}

export function identifyRequests(app: FastifyInstance, getRequestId: GetRequestId): void {
  app.setGenReqId(getRequestId)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
}
