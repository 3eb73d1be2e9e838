/**
 * What bypasses Fastify: input that never becomes a request gets its response directly on the socket.
 *
 * With pipelining, several responses may be due on a connection, and clients match them to requests by order alone. So
 * nothing may be written while an earlier response is incomplete: the client would take it for that response.
 */
import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type OutgoingHttpHeaders, type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import type { Document } from '../contract/load.ts'
import { PROBLEM_MEDIA_TYPE, Problem } from '../contract/problem.ts'
import type { Connections } from './connections.ts'
import type { GetRequestId } from './request-id.ts'
import { traceOf } from './trace-context.ts'

export interface SocketOptions {
  getRequestId: GetRequestId
  /** Headers of every response. */
  headers: OutgoingHttpHeaders
  limits: Document['x-limits']
  log: FastifyBaseLogger
  /** Called with the status of each response, and the method if the request could be parsed. */
  onResponse: (status: number, method: string | undefined) => void
}

type ParseError = Error & { code?: string }

/** Handles invalid HTTP, CONNECT and Expect. */
export function guardSocket(server: Server, connections: Connections, options: SocketOptions): void {
  const { getRequestId, headers, limits, log, onResponse } = options

  /** Writes and logs a whole response, and ends the connection: nothing after bad input can be trusted. */
  function refuse(socket: Duplex, problem: Problem, requestId: string, request?: IncomingMessage): void {
    const { status, code } = problem
    log.info(
      { request_id: requestId, ...(request && traceOf(request.headers)), status, problem: code },
      'request refused',
    )
    onResponse(status, request?.method)
    socket.end(render(problem, requestId, headers))
  }

  /** Handles HTTP that cannot be parsed, headers that are too large and requests that do not arrive in time. */
  function handleParseError(error: ParseError, socket: Socket): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const respond = () => refuse(socket, toProblem(error, limits), randomUUID())
    const { newest, previous } = connections.responsesOn(socket)
    if (newest === undefined) respond()
    else if (previous?.writableFinished === false) {
      previous.once('finish', () => socket.destroySoon())
    } else if (newest.req.complete) {
      // The bad input follows a complete request, whose response must not be confused with this one.
      if (newest.writableFinished) respond()
      else newest.once('finish', () => socket.destroySoon())
    } else if (newest.headersSent) {
      // The bad input is in the body of a request that has its response: a second one would count for the next request.
      socket.destroy()
    } else respond()
  }

  function refuseConnect(request: IncomingMessage, socket: Duplex): void {
    const destroy = () => socket.destroy()
    // Node no longer handles this socket's errors and timeouts.
    socket.on('error', destroy).on('finish', destroy)
    if (!socket.writable || connections.responsesOn(socket as Socket).newest?.writableFinished === false) {
      destroy()
      return
    }
    const problem = new Problem('method_not_allowed', 'This server is not a proxy.', { headers: { allow: '' } })
    refuse(socket, problem, getRequestId(request), request)
  }

  // Replaces Fastify's handler, whose responses are not problems.
  server.removeAllListeners('clientError').on('clientError', handleParseError)
  server.on('connect', refuseConnect)
  // Node handles 100-continue. Any other expectation is unknown here and may be ignored (RFC 9110, 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
}

function toProblem(error: ParseError, limits: Document['x-limits']): Problem {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Problem(
        'headers_too_large',
        `Request line and headers together may have at most ${limits.header_bytes} bytes.`,
      )
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem('request_timeout', 'The request did not arrive completely in time. Send it again.')
    default:
      return new Problem('malformed_request', 'The request is not valid HTTP/1.1.')
  }
}

/** A problem as the bytes of a response. */
function render(problem: Problem, requestId: string, always: OutgoingHttpHeaders): string {
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
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${head.join('')}\r\n${body}`
}
