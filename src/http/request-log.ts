/** One log line and one measurement for each request, without bodies, query strings or credentials. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { Metrics } from '../process/metrics.ts'
import { traceOf } from './trace-context.ts'

/** Records a request that has its response. */
export type RecordRequest = (request: FastifyRequest, reply: FastifyReply) => void

export function logRequests(app: FastifyInstance, record: RecordRequest): void {
  app.addHook('onResponse', (request, reply, done) => {
    record(request, reply)
    done()
  })
}

export function createRequestLog(metrics: Metrics | undefined): RecordRequest {
  return (request, reply) => {
    writeLine(request, reply)
    const { method, routeOptions } = request
    const { url: route, config } = routeOptions
    const { operationId } = config.operation ?? {}
    metrics?.answered({ status: reply.statusCode, method, route, operationId }, reply.elapsedTime / 1000)
  }
}

function writeLine(request: FastifyRequest, reply: FastifyReply): void {
  const { statusCode } = reply
  // A 503 is not a bug, and an outage of the database is logged once, where it is detected.
  const level = statusCode === 500 ? 'error' : statusCode > 500 ? 'warn' : 'info'
  // Composing the line is most of its cost.
  if (!(request.log as Logger).isLevelEnabled(level)) return
  request.log[level](
    {
      request_id: request.id,
      ...traceOf(request.headers),
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
