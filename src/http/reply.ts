/** A handler's response as it is sent, and stored for retries. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { PROBLEM_MEDIA_TYPE, Problem } from '../contract/problem.ts'
import type { StoredResponse } from '../idempotency/execute.ts'

/** What a handler returns, whichever operation it belongs to. */
export type HandlerResponse = Problem | { status: number; body?: unknown; headers?: Record<string, string> }

export function render(response: HandlerResponse, request: FastifyRequest): StoredResponse {
  if (response instanceof Problem) {
    request.problem = response
    const headers = { ...response.headers, 'content-type': PROBLEM_MEDIA_TYPE }
    return { status: response.status, headers, body: JSON.stringify(response.body(request.id)) }
  }
  const { status, headers = {}, body } = response
  if (body === undefined) return { status, headers, body: null }
  return { status, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

export function send(reply: FastifyReply, { status, headers, body }: StoredResponse): FastifyReply {
  reply.code(status).headers(headers)
  return body === null ? reply.send() : reply.send(body)
}
