/** The id of each request: in its log line, in its response and in every problem. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Document } from '../contract/load.ts'

type RequestId = Document['components']['schemas']['RequestId']

export type GetRequestId = (request: IncomingMessage) => string

/** The client's X-Request-Id if the contract allows it, else a new id (validation will then refuse the request). */
export function createGetRequestId({ pattern, maxLength }: RequestId): GetRequestId {
  const allowed = new RegExp(pattern)
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
