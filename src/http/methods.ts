/** Unknown paths (404), and methods that a path does not have (405). */
import { METHODS } from 'node:http'
import type { FastifyInstance, HTTPMethods } from 'fastify'
import { Problem, routeNotFound } from '../contract/problem.ts'

/** Responds with 404 to unknown paths, before a body is read. */
export function refuseUnknownRoutes(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.is404) throw routeNotFound()
    done()
  })
}

/**
 * Lets the router accept every method that Node parses; one that it does not know would get 404. CONNECT never gets
 * here.
 */
export function supportAllMethods(app: FastifyInstance): void {
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !app.supportedMethods.includes(method)) app.addHttpMethod(method)
  }
}

/** Responds with 405 to every method but `allowed` (and HEAD, if GET is allowed), before a body is read. */
export function refuseOtherMethods(app: FastifyInstance, url: string, allowed: HTTPMethods[]): void {
  const all = allowed.includes('GET') ? [...allowed, 'HEAD'] : allowed
  const allow = all.toSorted().join(', ')
  const refuse = () => {
    throw new Problem('method_not_allowed', `This path supports: ${allow}.`, { headers: { allow } })
  }
  const others = app.supportedMethods.filter(method => !all.includes(method))
  app.route({ method: others, url, exposeHeadRoute: false, onRequest: async () => refuse(), handler: refuse })
}
