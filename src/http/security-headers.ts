/** What browsers are told: security headers on every response, and CORS where it is wanted. */
import { IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import cors from '@fastify/cors'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import helmet from 'helmet'
import type { Operation } from '../contract/load.ts'

/** For how many seconds a browser may remember the answer to a preflight. */
const PREFLIGHT_MAX_AGE = 86_400

/** @param origins whose pages may call the contract's operations; without any, no response has CORS headers */
export async function registerBrowserRules(
  app: FastifyInstance,
  operations: Operation[],
  origins: string[] | undefined,
): Promise<void> {
  if (origins === undefined) return

  const methods = [...new Set(operations.map(({ method }) => method.toUpperCase())), 'HEAD']
  const responses = operations.flatMap(operation => Object.values(operation.responses))
  const exposedHeaders = [...new Set(responses.flatMap(({ headers = {} }) => Object.keys(headers)))]
  const options = { origin: origins, methods, exposedHeaders, maxAge: PREFLIGHT_MAX_AGE }
  await app.register(cors, {
    // Any other OPTIONS is answered as without CORS.
    delegator: (request: FastifyRequest, done) => done(null, { ...options, preflight: isPreflight(request) }),
  })
}

/** The security headers of every response: what helmet says once it says every time. */
export function securityHeaders(): OutgoingHttpHeaders {
  const setHeaders = helmet({
    // Nothing that the API returns is a page: a browser that takes it for one shall do nothing with it.
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    xFrameOptions: { action: 'deny' },
    // For pages, old plug-ins and browsers of the past.
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  })
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  setHeaders(request, response, () => undefined)
  return response.getHeaders()
}

const isPreflight = ({ headers }: FastifyRequest) =>
  headers.origin !== undefined && headers['access-control-request-method'] !== undefined
