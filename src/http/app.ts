/** The one Fastify instance: everything between the socket and the handlers, in request order. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { Logger } from 'pino'
import type { Guard } from '../auth/guard.ts'
import { isLoopbackAuthority } from '../config/loopback.ts'
import type { Quotas } from '../context.ts'
import { loadContract, type Operation } from '../contract/load.ts'
import { misdirected, overloaded, Problem, routeNotFound } from '../contract/problem.ts'
import type { Database } from '../database/open.ts'
import { handlers } from '../handlers.ts'
import type { Retention } from '../jobs/purge.ts'
import type { Metrics } from '../process/metrics.ts'
import { parseBodies } from './body.ts'
import { watchConnections } from './connections.ts'
import { createDatabaseAccess } from './database-access.ts'
import { registerDocuments } from './documents.ts'
import { createClientErrorHandler, createErrorHandler, createRefuse } from './errors.ts'
import { watchEventLoopDelay } from './event-loop-delay.ts'
import { supportAllMethods } from './methods.ts'
import { needsDatabase } from './operation.ts'
import { registerOperations } from './routes.ts'
import { registerBrowserRules, securityHeaders } from './security-headers.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: Operation
  }
  interface FastifyRequest {
    /** The problem that was sent in answer, for the log. */
    problem: Pick<Problem, 'code' | 'cause'> | null
  }
}

export interface AppOptions {
  database: Database
  logger: Logger
  /** Within how many milliseconds a request must have arrived whole. */
  requestTimeout: number
  guard: Guard
  /** Whether only requests for this machine are served: without authentication, a page of any other host could read everything. */
  localOnly: boolean
  /** How many requests may wait for the database, or for their response to be written, at the same time. */
  maxInFlight: number
  /** How many connections may be open at the same time. */
  maxConnections: number
  /** Within how many milliseconds of its end a response must be written. */
  responseTimeout: number
  /** How many bytes of responses may wait to be written, on all connections together. */
  maxUnsentBytes: number
  /** How late timers may be on average over a second, in milliseconds, before requests are refused; 0 is no bound. */
  maxEventLoopDelay: number
  retention: Retention
  /** How much each user may keep. */
  quotas: Quotas
  metrics?: Metrics | undefined
  /** Aborted while the service stops: health says so, and connections are not kept. */
  stopping: AbortSignal
  /** The proxies in front of the service, whose X-Forwarded-For is believed: addresses and networks, separated by commas. */
  trustProxy?: string | undefined
  /** The origins whose pages may call the service; without any, CORS is off. */
  corsOrigins?: string[] | undefined
}

/** Builds the service; the caller listens and closes. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const {
    database,
    logger,
    requestTimeout,
    guard,
    localOnly,
    trustProxy = false,
    corsOrigins,
    maxInFlight,
    maxConnections,
    responseTimeout,
    maxUnsentBytes,
    metrics,
    maxEventLoopDelay,
    retention,
    quotas,
    stopping,
  } = options
  const contract = await loadContract(handlers)
  const limits = contract.document['x-limits']
  const requestId = requestIdReader(contract.document.components.schemas.RequestId)
  const handleError = createErrorHandler(logger)
  const browserHeaders = securityHeaders()
  const refuse = createRefuse(logger, browserHeaders, status => metrics?.answered(undefined, status, 0))
  /** The response to each connection's newest request. */
  const newest = new WeakMap<Socket, ServerResponse>()
  /** Of pipelined requests: the response that goes out before. */
  const waiting = new WeakMap<ServerResponse, ServerResponse>()

  const app = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    // One line per request, written below; no child logger for each.
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: parent => parent,
    genReqId: request => requestId(request.headers['x-request-id']),
    bodyLimit: limits.body_bytes,
    // The contract bounds parameters, the header limit bounds the path.
    routerOptions: { maxParamLength: limits.header_bytes },
    // While closing, requests on open connections are still served; their connections close after them.
    return503OnClosing: false,
    requestTimeout,
    trustProxy,
    http: {
      maxHeaderSize: limits.header_bytes,
      headersTimeout: requestTimeout,
      requestTimeout,
      connectionsCheckingInterval: Math.min(1000, requestTimeout),
      // Node's own answer to a missing Host has no body; the hook below has one.
      requireHostHeader: false,
    },
    // Bad URLs have no route, and so no hooks.
    frameworkErrors: (error, request, reply) => {
      reply.headers(browserHeaders)
      handleError(error, request, reply)
      logRequest(request, reply)
      metrics?.answered(undefined, reply.statusCode, reply.elapsedTime / 1000)
    },
    clientErrorHandler: createClientErrorHandler(limits, newest, waiting, refuse),
  })
  const connections = watchConnections(
    app.server,
    { most: maxConnections, responseTimeout, unsentBytes: maxUnsentBytes },
    logger,
    reason => metrics?.connectionClosed(reason),
  )
  app.server.on('request', (request, response) => {
    const earlier = newest.get(request.socket)
    newest.set(request.socket, response)
    if (earlier?.writableFinished === false) waiting.set(response, earlier)
  })
  app.server.on('connect', (request, socket) => {
    // Node lets go of this socket, its errors and its timeouts included.
    const destroy = () => socket.destroy()
    socket.on('error', destroy).on('finish', destroy)
    // An answer now would be taken for the one to the request before, which still waits for its own.
    if (newest.get(socket as Socket)?.writableFinished === false) return destroy()
    refuse(
      socket as Socket,
      new Problem('method_not_allowed', 'This server is no proxy.', { headers: { allow: '' } }),
      requestId(request.headers['x-request-id']),
    )
  })
  // 100-continue is met; of what else is expected nothing is known here, and it may be ignored (RFC 9110, 10.1.1).
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))

  app.decorateRequest('problem', null)
  app.addHook('onRequest', (_request, reply, done) => connections.takeTurn(reply.raw, done))
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(browserHeaders).header('x-request-id', request.id)
    done()
  })
  await registerBrowserRules(app, contract.operations, corsOrigins)
  app.addHook('onRequest', (request, _reply, done) => {
    requireHttp1(request.raw)
    if (localOnly && !isForLoopback(request)) throw misdirected()
    // Here already, before a body is read.
    if (request.is404) throw routeNotFound()
    done()
  })
  const delay = watchEventLoopDelay(maxEventLoopDelay)
  app.addHook('onClose', async () => delay.stop())
  app.addHook('onRequest', (request, _reply, done) => {
    const { operation } = request.routeOptions.config
    // What needs no database is answered all the same: it is cheap, and liveness must not fail for being busy.
    if (operation !== undefined && delay.isTooLong() && needsDatabase(operation)) throw overloaded()
    done()
  })
  app.addHook('onRequest', (request, _reply, done) => {
    if (stopping.aborted && request.routeOptions.config.operation?.operationId === 'getHealth') {
      throw new Problem('stopping', 'This process stops: send requests to another one.', {
        headers: { 'retry-after': '1' },
      })
    }
    done()
  })
  // While the service stops each response is the last on its connection: else the stop would wait for the client to hang up.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (stopping.aborted) reply.header('connection', 'close')
    connections.sending((payload as string | Buffer | null | undefined)?.length ?? 0)
    done(null, payload)
  })
  app.addHook('onResponse', (request, reply, done) => {
    logRequest(request, reply)
    const { operation } = request.routeOptions.config
    metrics?.answered(operation?.operationId, reply.statusCode, reply.elapsedTime / 1000)
    done()
  })
  app.setErrorHandler(handleError)
  // The reference comes here from a route of its own.
  app.setNotFoundHandler(async () => {
    throw routeNotFound()
  })

  supportAllMethods(app)
  parseBodies(app)
  registerOperations(app, contract, {
    db: database.kysely,
    useDatabase: createDatabaseAccess(database, maxInFlight, connections, logger, code =>
      metrics?.databaseFailed(code),
    ),
    guard,
    retention,
    quotas,
    log: logger,
  })
  await registerDocuments(app, contract)
  return app
}

/** The caller's id where it is one that the contract allows (others are refused later, under an id of our own). */
function requestIdReader({ pattern, maxLength }: { pattern: string; maxLength: number }) {
  const allowed = new RegExp(pattern)
  return (sent: string | string[] | undefined): string =>
    typeof sent === 'string' && sent.length <= maxLength && allowed.test(sent) ? sent : randomUUID()
}

/** Refuses what Node's parser lets pass, and others may read in another way than it does. */
function requireHttp1({ httpVersion, headers, rawHeaders }: IncomingMessage): void {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    throw new Problem('malformed_request', 'Only HTTP/1.1 and HTTP/1.0 are spoken here.')
  }
  if (headers.host === undefined && httpVersion === '1.1') {
    throw new Problem('malformed_request', 'HTTP/1.1 requests need a Host header.')
  }
  // Of several, Node keeps the first; a proxy may have gone by the last.
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.length === 4 && /^host$/i.test(name))
  if (hosts.length > 1) throw new Problem('malformed_request', 'The Host header must not be repeated.')
}

/**
 * Whether each host that the request names is this machine. A name that somebody else's DNS resolves to this machine makes
 * their page, to a browser, one of this server's own (DNS rebinding).
 */
function isForLoopback({ headers: { host }, url }: FastifyRequest): boolean {
  // In absolute form the target names a host, too, and the router looks at its path only.
  const target = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1]
  return [host, target].every(authority => authority === undefined || isLoopbackAuthority(authority))
}

/** One line for each request, without bodies, query or credentials. */
function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const { statusCode } = reply
  // A 503 is no bug; why the database is away is told once, where it is found out.
  const level = statusCode === 500 ? 'error' : statusCode > 500 ? 'warn' : 'info'
  // Most of the line's cost is to put it together.
  if (!(request.log as Logger).isLevelEnabled(level)) return
  request.log[level](
    {
      request_id: request.id,
      operation_id: request.routeOptions.config.operation?.operationId,
      method: request.method,
      path: request.url.split('?', 1)[0],
      status: statusCode,
      duration_ms: Math.round(reply.elapsedTime * 1000) / 1000,
      problem: request.problem?.code,
      error: (request.problem?.cause as Error | undefined)?.message,
    },
    'request',
  )
}
