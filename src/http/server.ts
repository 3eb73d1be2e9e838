/** The bare Fastify instance: its limits and timeouts. */
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  LogController,
} from 'fastify'
import type { Document } from '../contract/load.ts'

export interface ServerOptions {
  logger: FastifyBaseLogger
  /** Milliseconds within which a request must have arrived completely. */
  requestTimeout: number
  /** Proxies whose X-Forwarded-For is trusted: addresses and networks, separated by commas. */
  trustProxy?: string | undefined
}

/** @param onBadUrl sends the whole response to a URL that cannot be decoded: it has no route and thus no hooks */
export function createServer(
  { logger, requestTimeout, trustProxy }: ServerOptions,
  limits: Document['x-limits'],
  onBadUrl: NonNullable<FastifyServerOptions['frameworkErrors']>,
): FastifyInstance {
  return Fastify({
    loggerInstance: logger,
    // `request-log.ts` writes one line per request, without a child logger for each.
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: parent => parent,
    bodyLimit: limits.body_bytes,
    // The contract limits parameters, the header limit limits the path.
    routerOptions: { maxParamLength: limits.header_bytes },
    // While closing, requests on open connections are still served; their connections close after them.
    return503OnClosing: false,
    requestTimeout,
    trustProxy: trustProxy ?? false,
    http: {
      maxHeaderSize: limits.header_bytes,
      headersTimeout: requestTimeout,
      requestTimeout,
      connectionsCheckingInterval: Math.min(1000, requestTimeout),
      // Node's response to a missing Host has no body; the one of `host.ts` is a problem.
      requireHostHeader: false,
    },
    frameworkErrors: onBadUrl,
  })
}
