/** Tells load balancers and clients that the service is shutting down, while it still serves their requests. */
import type { FastifyInstance } from 'fastify'
import { Problem } from '../contract/problem.ts'

/** Once `stopping` is aborted, `/health` gets 503 and every response closes its connection. */
export function announceShutdown(app: FastifyInstance, stopping: AbortSignal): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (stopping.aborted && request.routeOptions.config.operation?.operationId === 'getHealth') {
      throw new Problem('shutting_down', 'This instance is shutting down. Send the request to another one.')
    }
    done()
  })
  // Otherwise the shutdown would wait until clients close their connections.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (stopping.aborted) reply.header('connection', 'close')
    done(null, payload)
  })
}
