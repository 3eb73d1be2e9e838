/** CORS: lets pages of the configured origins call the contract's operations. */
import cors from '@fastify/cors'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Operation } from '../contract/load.ts'

/** Seconds for which a browser may cache the response to a preflight. */
const PREFLIGHT_MAX_AGE = 86_400

/** @param origins if undefined, no response has CORS headers */
export async function allowOrigins(
  app: FastifyInstance,
  origins: string[] | undefined,
  operations: Operation[],
): Promise<void> {
  if (origins === undefined) return

  const methods = [...new Set(operations.map(({ method }) => method.toUpperCase())), 'HEAD']
  const responses = operations.flatMap(operation => Object.values(operation.responses))
  const exposedHeaders = [...new Set(responses.flatMap(({ headers = {} }) => Object.keys(headers)))]
  const options = { origin: origins, methods, exposedHeaders, maxAge: PREFLIGHT_MAX_AGE }
  await app.register(cors, {
    // Any other OPTIONS request gets the same response as without CORS.
    delegator: (request: FastifyRequest, done) => done(null, { ...options, preflight: isPreflight(request) }),
  })
}

const isPreflight = ({ headers }: FastifyRequest) =>
  headers.origin !== undefined && headers['access-control-request-method'] !== undefined
