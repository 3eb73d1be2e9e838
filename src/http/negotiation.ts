/** Content negotiation (RFC 9110, 12.5.1). */
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import type { Operation } from '../contract/load.ts'
import { Problem } from '../contract/problem.ts'

/** The media type that the client prefers, the first if it has no preference; undefined if it accepts none of them. */
export function chooseMediaType(request: FastifyRequest, produced: string[]): string | undefined {
  const { accept } = request.headers
  if (!accept || accept === '*/*') return produced[0]
  return new Negotiator(request.raw).mediaType(produced)
}

/** A hook that responds with 406 if the caller accepts no media type that the operation returns on success. */
export function requireAcceptable(operation: Operation) {
  const successes = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'))
  const produced = [...new Set(successes.flatMap(([, response]) => Object.keys(response.content ?? {})))]
  return (request: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
    if (produced.length > 0 && chooseMediaType(request, produced) === undefined) {
      throw new Problem('not_acceptable', `This operation returns ${produced.join(', ')}.`)
    }
    done()
  }
}
