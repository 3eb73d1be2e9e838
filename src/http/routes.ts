/** Contract -> Fastify: one route for each operation, and 405 for every other method of its path. */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import type { Context } from '../context.ts'
import type { Contract, Operation } from '../contract/load.ts'
import { refuseOtherMethods } from './methods.ts'
import { requireAcceptable } from './negotiation.ts'
import { createRouteHandler, type Dependencies } from './operation.ts'
import { limitUploads } from './uploads.ts'
import { createUserQueues } from './user-queues.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route is for; undefined if it is none of the contract's operations. */
    operation?: Operation
  }
}

export function registerOperations(
  app: FastifyInstance,
  contract: Contract<Context>,
  dependencies: Dependencies,
): void {
  const queues = createUserQueues()
  const methods = new Map<string, HTTPMethods[]>()
  for (const operation of contract.operations) {
    const { security, 'x-body-bytes': bodyBytes } = operation
    const url = operation.path.replaceAll(/\{(\w+)\}/g, ':$1')
    const method = operation.method.toUpperCase()
    methods.set(url, [...(methods.get(url) ?? []), method])
    app.route({
      method,
      url,
      config: { operation },
      ...(bodyBytes !== undefined && { bodyLimit: bodyBytes }),
      onRequest: [
        forbidStoring,
        ...(security.length > 0 ? [dependencies.guard.admit] : []),
        ...(bodyBytes === undefined ? [] : [limitUploads()]),
        requireAcceptable(operation),
      ],
      handler: createRouteHandler(operation, contract, dependencies, queues),
    })
  }
  for (const [url, allowed] of methods) refuseOtherMethods(app, url, allowed)
}

/** Responses belong to one user: neither a browser nor a proxy may store them, errors included. */
const forbidStoring = (_request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
  reply.header('cache-control', 'no-store')
  done()
}
