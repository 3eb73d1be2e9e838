/** Content negotiation (RFC 9110, 12.5.1). */
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import type { Operation } from '../contract/load.ts'
import { Problem } from '../contract/problem.ts'

/** A hook that responds with 406 if the caller accepts no media type that the operation returns on success. */
export function requireAcceptable(operation: Operation) {
  const successes = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'))
  const produced = [...new Set(successes.flatMap(([, response]) => Object.keys(response.content ?? {})))]
  return (request: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
    const { accept } = request.headers
    const isAnything = !accept || accept === '*/*' || produced.length === 0
    if (!isAnything && new Negotiator(request.raw).mediaType(produced) === undefined) {
      throw new Problem('not_acceptable', `This operation returns ${produced.join(', ')}.`)
    }
    done()
  }
}
