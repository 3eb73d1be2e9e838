/** Whatever goes wrong between the socket and the handlers, as a problem on the wire. */
import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { Document } from '../contract/load.ts'
import { PROBLEM_MEDIA_TYPE, Problem } from '../contract/problem.ts'
import { isBadValue } from '../database/errors.ts'
import { unsupportedMediaType } from './body.ts'

type Limits = Document['x-limits']

/** Sends a problem, or anything thrown as one; what nobody expected is logged with its stack and tells the client nothing. */
export function createErrorHandler(log: FastifyBaseLogger) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const problem = toProblem(error, request)
    if (isBug(problem)) log.error({ request_id: request.id, err: problem.cause }, 'unexpected error')
    request.problem = problem
    reply
      .code(problem.status)
      .headers(problem.headers)
      .header('x-request-id', request.id)
      .header('content-type', PROBLEM_MEDIA_TYPE)
      .send(JSON.stringify(problem.body(request.id)))
  }
}

const isBug = ({ code, cause }: Problem) =>
  code === 'internal_error' || (code === 'malformed_request' && cause !== undefined)

/** Fastify's own errors are told apart by their codes; outages of the database are Problems already (http/database-access.ts). */
function toProblem(error: unknown, request: FastifyRequest): Problem {
  if (error instanceof Problem) return error
  switch ((error as { code?: string }).code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem('content_too_large', `A body may have at most ${request.routeOptions.bodyLimit} bytes.`)
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return unsupportedMediaType(request.routeOptions.config.operation)
    case 'FST_ERR_BAD_URL':
      return new Problem('malformed_request', 'The path is not valid percent-encoded UTF-8.')
    default:
      return failure(error)
  }
}

/** Whose failure it is: the caller's, or a bug of ours. */
function failure(error: unknown): Problem {
  const { statusCode } = error as { statusCode?: number }
  // Fastify says so of a client that hung up in the middle of the body.
  if (statusCode === 400) return new Problem('malformed_request', 'The body did not arrive as announced.')
  // The caller's value, but the contract's hole: whoever sends it can send another one, and the log has it as a bug.
  if (isBadValue(error)) {
    return new Problem('malformed_request', 'A value of the request cannot be stored.', { cause: error })
  }
  return new Problem('internal_error', "This is a bug of the service. Its log tells more under the request's id.", {
    cause: error,
  })
}

/**
 * Answers on the bare socket what never became a request: HTTP that cannot be parsed, headers that are too large, a
 * request that does not end. The connection is closed, for nothing after it can be trusted.
 * @param newest the response to each connection's newest request
 * @param waiting the response before, for one that had to wait for it
 */
export function createClientErrorHandler(
  limits: Limits,
  newest: WeakMap<Socket, ServerResponse>,
  waiting: WeakMap<ServerResponse, ServerResponse>,
  refuse: Refuse,
) {
  return (error: Error & { code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const answer = () => refuse(socket, clientProblem(error, limits), crypto.randomUUID())
    const response = newest.get(socket)
    const earlier = response && waiting.get(response)
    if (response === undefined) answer()
    else if (earlier?.writableFinished === false) {
      // Anything written now would be taken for the answer to an earlier request.
      earlier.once('finish', () => socket.destroySoon())
    } else if (response.req.complete) {
      // The trouble came after a whole request: its answer must not be mistaken for this one.
      if (response.writableFinished) answer()
      else response.once('finish', () => socket.destroySoon())
    } else if (response.headersSent) {
      // The trouble is in the body of a request that has its answer: a second one would be taken for the next request's.
      socket.destroy()
    } else answer()
  }
}

function clientProblem(error: Error & { code?: string }, limits: Limits): Problem {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Problem(
        'headers_too_large',
        `Request line and headers together may have at most ${limits.header_bytes} bytes.`,
      )
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem('request_timeout', 'The request did not arrive whole in time. Send it again.')
    default:
      return new Problem('malformed_request', 'The request is not well-formed HTTP/1.1.')
  }
}

/** Writes and logs a whole response, and ends the connection. */
export type Refuse = (socket: Socket, problem: Problem, requestId: string) => void

/**
 * @param always headers of every response
 * @param onRefused gets the status of each response
 */
export function createRefuse(
  log: FastifyBaseLogger,
  always: OutgoingHttpHeaders,
  onRefused: (status: number) => void,
): Refuse {
  return (socket, problem, requestId) => {
    log.info({ request_id: requestId, status: problem.status, problem: problem.code }, 'refused')
    onRefused(problem.status)
    const body = JSON.stringify(problem.body(requestId))
    const headers = {
      ...always,
      ...problem.headers,
      'content-type': PROBLEM_MEDIA_TYPE,
      'content-length': Buffer.byteLength(body),
      'x-request-id': requestId,
      connection: 'close',
    }
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${head.join('')}\r\n${body}`)
  }
}
