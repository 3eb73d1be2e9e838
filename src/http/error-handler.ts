/** Turns every error of a request into a problem. */
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { PROBLEM_MEDIA_TYPE, Problem } from '../contract/problem.ts'
import { isBadValue } from '../database/errors.ts'
import { unsupportedMediaType } from './body.ts'
import type { CompleteChallenge } from './origin.ts'
import { traceOf } from './trace-context.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The problem that was sent as the response, for the log. */
    problem: Pick<Problem, 'code' | 'cause'> | null
  }
}

export type HandleError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void

export function handleErrors(app: FastifyInstance, handleError: HandleError): void {
  app.decorateRequest('problem', null)
  app.setErrorHandler(handleError)
}

/**
 * Sends the error as a problem. An unexpected error is logged with its stack; the client learns nothing about it.
 * @param completeChallenge undefined if a 401 has nothing to add to its challenge
 */
export function createErrorHandler(log: FastifyBaseLogger, completeChallenge?: CompleteChallenge): HandleError {
  return (error, request, reply) => {
    const problem = toProblem(error, request)
    if (isBug(problem)) {
      log.error({ request_id: request.id, ...traceOf(request.headers), err: problem.cause }, 'unexpected error')
    }
    request.problem = problem
    const { 'www-authenticate': challenge, ...headers } = problem.headers
    if (challenge !== undefined) {
      reply.header('www-authenticate', completeChallenge?.(challenge, request) ?? challenge)
    }
    reply
      .code(problem.status)
      .headers(headers)
      .header('content-type', PROBLEM_MEDIA_TYPE)
      .send(JSON.stringify(problem.body(request.id)))
  }
}

const isBug = ({ code, cause }: Problem) =>
  code === 'internal_error' || (code === 'malformed_request' && cause !== undefined)

/** Recognizes Fastify's errors by their codes. Outages of the database are problems already (`database-access.ts`). */
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
      return otherProblem(error)
  }
}

/** Decides whether the client or a bug caused the error. */
function otherProblem(error: unknown): Problem {
  const { statusCode } = error as { statusCode?: number }
  // Fastify's error for a client that disconnects in the middle of the body.
  if (statusCode === 400) return new Problem('malformed_request', 'The body is not as long as declared.')
  // A gap in the contract lets this value through. The client can send another one; the log reports it as a bug.
  if (isBadValue(error)) {
    return new Problem('malformed_request', 'A value of the request cannot be stored.', { cause: error })
  }
  return new Problem('internal_error', 'This is a bug. The log has details under the request id.', {
    cause: error,
  })
}
