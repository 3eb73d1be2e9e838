/**
 * Metrics for Prometheus, on a separate port: they are for operators, not for clients. What OpenTelemetry's semantic
 * conventions define has the names and labels that they have in Prometheus.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client'
import type { Logger } from 'pino'
import type { PoolUsage, Store } from '../database/store.ts'
import type { CloseReason } from '../http/connections.ts'

/** Seconds; from a read from memory to a request that times out. */
const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Seconds; from a job with nothing to do to one that catches up after a long time. */
const JOB_DURATIONS = [0.01, 0.1, 1, 10, 60, 600]

/** The methods that the conventions know; the value of all others is `_OTHER`. */
const METHODS = new Set('CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE'.split(' '))

/** A response and its request. */
export interface Answered {
  status: number
  /** Undefined if the request could not be parsed. */
  method?: string | undefined
  /** The route's template; undefined if the path has no route. */
  route?: string | undefined
  /** Undefined if the request matched no operation of the contract. */
  operationId?: string | undefined
}

export interface Metrics {
  /** A response was sent. */
  answered(answered: Answered, seconds: number): void
  /** The database failed with this SQLSTATE or error code of the driver. */
  databaseFailed(code: string): void
  /** A connection was closed to enforce the limits on connections. */
  connectionClosed(reason: CloseReason): void
  /** A run of a background job has ended. */
  jobFinished(job: string, outcome: 'succeeded' | 'failed', seconds: number): void
  /** Serves `/metrics` until the process ends; returns the URL. */
  listen(host: string, port: number): Promise<string>
}

/** @param poolUsage the state of each pool of database connections, by its name; undefined if there is none */
export function createMetrics(poolUsage: Store['poolUsage'], log: Logger): Metrics {
  const registry = new Registry()
  // Metrics of the process: memory, CPU, event loop, garbage collection.
  collectDefaultMetrics({ register: registry })
  const requests = new Histogram({
    name: 'http_server_request_duration_seconds',
    help: 'Duration of requests in seconds, by method, route, status and operation.',
    labelNames: ['http_request_method', 'http_route', 'http_response_status_code', 'operation_id'],
    buckets: DURATIONS,
    registers: [registry],
  })
  const databaseErrors = new Counter({
    name: 'database_errors_total',
    help: 'Database errors during requests, by SQLSTATE or driver code.',
    labelNames: ['code'],
    registers: [registry],
  })
  const connectionsClosed = new Counter({
    name: 'http_connections_closed_total',
    help: 'Client connections closed because of a limit, by reason.',
    labelNames: ['reason'],
    registers: [registry],
  })
  const jobRuns = new Counter({
    name: 'job_runs_total',
    help: 'Runs of background jobs, by job and outcome.',
    // Not `job`: Prometheus has a label of that name for the target.
    labelNames: ['job_name', 'outcome'],
    registers: [registry],
  })
  const jobDurations = new Histogram({
    name: 'job_duration_seconds',
    help: 'Duration of runs of background jobs in seconds, whatever their outcome.',
    labelNames: ['job_name'],
    buckets: JOB_DURATIONS,
    registers: [registry],
  })
  if (poolUsage !== undefined) measurePools(registry, poolUsage)

  return {
    answered({ status, method = '', route, operationId }, seconds) {
      const labels = {
        http_request_method: METHODS.has(method) ? method : '_OTHER',
        http_response_status_code: status,
        // To Prometheus, a missing label is an empty one.
        ...(route !== undefined && { http_route: route }),
        ...(operationId !== undefined && { operation_id: operationId }),
      }
      requests.observe(labels, seconds)
    },
    databaseFailed(code) {
      databaseErrors.inc({ code })
    },
    connectionClosed(reason) {
      connectionsClosed.inc({ reason })
    },
    jobFinished(job, outcome, seconds) {
      jobRuns.inc({ job_name: job, outcome })
      jobDurations.observe({ job_name: job }, seconds)
    },
    async listen(host, port) {
      const server = createServer(async (request, response) => {
        if (request.url !== '/metrics') return response.writeHead(404).end()
        try {
          const text = await registry.metrics()
          response.writeHead(200, { 'content-type': registry.contentType }).end(text)
        } catch (error) {
          // Nothing awaits this function: a rejection would end the process.
          log.error({ err: error }, 'collecting metrics failed')
          response.writeHead(500).end()
        }
      })
      // This server alone must not keep the process alive.
      server.unref().listen(port, host)
      await once(server, 'listening')
      const { address, family, port: actual } = server.address() as AddressInfo
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}/metrics`
    },
  }
}

/** Reads the pools when they are scraped. */
function measurePools(registry: Registry, poolUsage: NonNullable<Store['poolUsage']>): void {
  const gauge = (name: string, help: string, samples: (usage: PoolUsage) => [state: string | undefined, number][]) =>
    new Gauge({
      name,
      help,
      labelNames: ['db_client_connection_pool_name', 'db_client_connection_state'],
      registers: [registry],
      collect() {
        for (const [pool, usage] of Object.entries(poolUsage())) {
          for (const [state, value] of samples(usage)) {
            const labels = { db_client_connection_pool_name: pool }
            this.set(state === undefined ? labels : { ...labels, db_client_connection_state: state }, value)
          }
        }
      },
    })
  gauge('db_client_connection_count', 'Database connections, by pool and state.', ({ busy, idle }) => [
    ['used', busy],
    ['idle', idle],
  ])
  gauge('db_client_connection_max', 'Maximum number of database connections, by pool.', ({ max }) => [[undefined, max]])
  gauge('db_client_connection_pending_requests', 'Requests waiting for a connection, by pool.', ({ waiting }) => [
    [undefined, waiting],
  ])
}
