/** The service as one Fastify instance: everything between the socket and the handlers, in request order. */
import type { FastifyInstance } from 'fastify'
import type { Guard } from '../auth/guard.ts'
import type { Quotas } from '../context.ts'
import { loadContract } from '../contract/load.ts'
import type { Database } from '../database/open.ts'
import { handlers } from '../handlers.ts'
import type { Retention } from '../jobs/purge.ts'
import type { Metrics } from '../process/metrics.ts'
import { parseBodies } from './body.ts'
import { type ConnectionLimits, limitConnections } from './connections.ts'
import { allowOrigins } from './cors.ts'
import { createDatabaseAccess } from './database-access.ts'
import { type DiscoveryOptions, registerDiscovery } from './discovery.ts'
import { registerDocuments } from './documents.ts'
import { createErrorHandler, handleErrors } from './error-handler.ts'
import { registerGuides } from './guides.ts'
import { refuseUnsafeRequests } from './host.ts'
import { refuseUnknownRoutes, supportAllMethods } from './methods.ts'
import { createCompleteChallenge, createOriginOf } from './origin.ts'
import { refuseOverload } from './overload.ts'
import { registerProblemPages } from './problem-pages.ts'
import { createGetRequestId, identifyRequests } from './request-id.ts'
import { createRequestLog, logRequests } from './request-log.ts'
import { registerOperations } from './routes.ts'
import { createSecurityHeaders, setSecurityHeaders } from './security-headers.ts'
import { createServer, type ServerOptions } from './server.ts'
import { announceShutdown } from './shutdown.ts'
import { guardSocket } from './socket.ts'

export interface AppOptions extends ServerOptions, ConnectionLimits {
  database: Database
  guard: Guard
  /** Whether requests must be addressed to this machine; needed without authentication, against web pages. */
  loopbackOnly: boolean
  /** Maximum number of requests that use the database, each counted until its response is written. */
  maxInFlight: number
  /** Maximum delay of the event loop in milliseconds, averaged over a second; 0 is no limit. */
  maxEventLoopDelay: number
  retention: Retention
  quotas: Quotas
  metrics?: Metrics | undefined
  /** Aborted when the shutdown begins. */
  stopping: AbortSignal
  /** Origins whose pages may call the service; if undefined, CORS is off. */
  corsOrigins?: string[] | undefined
  discovery: DiscoveryOptions
}

/** Builds the service; the caller starts and closes it. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { database, discovery, guard, logger: log, metrics, quotas, retention } = options
  const contract = await loadContract(handlers)
  const { 'x-limits': limits } = contract.document
  const headers = createSecurityHeaders()
  const getRequestId = createGetRequestId(limits.request_id_characters)
  const originOf = createOriginOf(discovery.publicUrl)
  const completeChallenge = discovery.issuer === undefined ? undefined : createCompleteChallenge(originOf)
  const handleError = createErrorHandler(log, completeChallenge)
  const recordRequest = createRequestLog(metrics)

  const app = createServer(options, limits, (error, request, reply) => {
    reply.headers(headers).header('x-request-id', request.id)
    handleError(error, request, reply)
    recordRequest(request, reply)
  })
  const connections = limitConnections(app, options, log, reason => metrics?.connectionClosed(reason))
  guardSocket(app.server, connections, {
    getRequestId,
    headers,
    limits,
    log,
    onResponse: (status, method) => metrics?.answered({ status, method }, 0),
  })
  setSecurityHeaders(app, headers)
  identifyRequests(app, getRequestId)
  await allowOrigins(app, options.corsOrigins, contract.operations)
  refuseUnsafeRequests(app, options.loopbackOnly)
  refuseUnknownRoutes(app)
  refuseOverload(app, options.maxEventLoopDelay)
  announceShutdown(app, options.stopping)
  logRequests(app, recordRequest)
  handleErrors(app, handleError)
  supportAllMethods(app)
  parseBodies(app)
  registerOperations(app, contract, {
    db: database.kysely,
    useDatabase: createDatabaseAccess(database, options.maxInFlight, connections, log, code =>
      metrics?.databaseFailed(code),
    ),
    guard,
    retention,
    quotas,
    log,
  })
  await registerDocuments(app, contract)
  registerDiscovery(app, contract.document.info.title, originOf, discovery)
  await registerGuides(app)
  registerProblemPages(app)
  return app
}
