/** Metrics for Prometheus, on a separate port: they are for operators, not for clients. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client'
import type { Logger } from 'pino'
import type { PoolUsage } from '../database/store.ts'
import type { CloseReason } from '../http/connections.ts'

/** Seconds; from a read from memory to a request that times out. */
const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Seconds; from a job with nothing to do to one that catches up after a long time. */
const JOB_DURATIONS = [0.01, 0.1, 1, 10, 60, 600]

export interface Metrics {
  /** A response was sent; `operationId` is undefined if the request matched no operation of the contract. */
  answered(operationId: string | undefined, status: number, seconds: number): void
  /** The database failed with this SQLSTATE or error code of the driver. */
  databaseFailed(code: string): void
  /** A connection was closed to enforce the limits on connections. */
  connectionClosed(reason: CloseReason): void
  /** A run of a background job has ended. */
  jobFinished(job: string, outcome: 'succeeded' | 'failed', seconds: number): void
  /** Serves `/metrics` until the process ends; returns the URL. */
  listen(host: string, port: number): Promise<string>
}

/** @param poolUsage the state of the database connections; undefined if there is no pool */
export function createMetrics(poolUsage: (() => PoolUsage) | undefined, log: Logger): Metrics {
  const registry = new Registry()
  // Metrics of the process: memory, CPU, event loop, garbage collection.
  collectDefaultMetrics({ register: registry })
  const requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Duration of requests in seconds, by operation and status.',
    labelNames: ['operation_id', 'status'],
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
    labelNames: ['job', 'outcome'],
    registers: [registry],
  })
  const jobDurations = new Histogram({
    name: 'job_duration_seconds',
    help: 'Duration of runs of background jobs in seconds, whatever their outcome.',
    labelNames: ['job'],
    buckets: JOB_DURATIONS,
    registers: [registry],
  })
  if (poolUsage !== undefined) {
    new Gauge({
      name: 'database_connections',
      help: 'Database connections that are busy or idle, and requests waiting for one.',
      labelNames: ['state'],
      registers: [registry],
      collect() {
        for (const [state, count] of Object.entries(poolUsage())) this.set({ state }, count)
      },
    })
  }

  return {
    answered(operationId = 'none', status, seconds) {
      requests.observe({ operation_id: operationId, status }, seconds)
    },
    databaseFailed(code) {
      databaseErrors.inc({ code })
    },
    connectionClosed(reason) {
      connectionsClosed.inc({ reason })
    },
    jobFinished(job, outcome, seconds) {
      jobRuns.inc({ job, outcome })
      jobDurations.observe({ job }, seconds)
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
