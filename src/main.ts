/** config -> database -> app -> listen -> graceful stop */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { configureGuard } from './auth/index.ts'
import { authConfig, hasAuthentication } from './config/authentication.ts'
import { rateLimits } from './config/callers.ts'
import { databaseConfig } from './config/database.ts'
import { discovery } from './config/discovery.ts'
import { address } from './config/listening.ts'
import { shutdownTimes } from './config/operation.ts'
import { isNpmScript, readConfig } from './config/read.ts'
import { requireSafety, startWarnings } from './config/safety.ts'
import { quotas, retention } from './config/storage.ts'
import { openDatabase } from './database/open.ts'
import { buildApp } from './http/app.ts'
import { listen, listenForMetrics } from './http/listen.ts'
import { defaultMaxConnections } from './http/open-files.ts'
import { runJobs } from './jobs/index.ts'
import { createLogger } from './process/logger.ts'
import { createMetrics } from './process/metrics.ts'
import { watchSignals } from './process/signals.ts'

async function run(): Promise<void> {
  const config = readConfig()
  requireSafety(config)
  const logger = await createLogger(config.LOG_LEVEL)
  for (const warning of startWarnings(config, process.versions.node)) logger.warn(warning)
  const times = shutdownTimes(config)
  const { stopping, forceClosing } = watchSignals({ ...times, isNpmScript: isNpmScript() }, logger)
  const database = await openDatabase(databaseConfig(config), logger)
  const metrics = config.METRICS_PORT === undefined ? undefined : createMetrics(database.poolUsage, logger)
  const isAuthenticated = hasAuthentication(config)
  const app = await buildApp({
    database,
    logger,
    metrics,
    stopping,
    guard: configureGuard(authConfig(config), rateLimits(config, isAuthenticated), logger),
    loopbackOnly: !isAuthenticated,
    requestTimeout: config.REQUEST_TIMEOUT * 1000,
    responseTimeout: config.RESPONSE_TIMEOUT * 1000,
    maxConnections: config.MAX_CONNECTIONS ?? defaultMaxConnections(config.DATABASE_POOL_SIZE),
    maxInFlight: config.MAX_IN_FLIGHT,
    maxUnsentBytes: config.MAX_UNSENT_BYTES,
    maxEventLoopDelay: config.MAX_EVENT_LOOP_DELAY,
    retention: retention(config),
    quotas: quotas(config),
    trustProxy: config.TRUST_PROXY,
    corsOrigins: config.CORS_ORIGINS,
    discovery: { ...discovery(config), issuer: config.AUTH_ISSUER },
  })
  forceClosing.addEventListener('abort', () => app.server.closeAllConnections())

  if (!stopping.aborted) {
    // Listen first: while the database is unavailable, health checks and operations that do not need it get responses.
    await listenForMetrics(metrics, { host: config.METRICS_HOST, port: config.METRICS_PORT ?? 0 }, logger)
    await listen(app, address(config), database.description)
    await database.prepare(stopping)
  }
  const jobs = runJobs(config, { db: database.kysely, log: logger, metrics, signal: stopping })

  if (!stopping.aborted) await once(stopping, 'abort')
  // Serve requests as before until load balancers have seen that /health is 503.
  await sleep(times.drainDelay, undefined, { signal: forceClosing }).catch(() => undefined)
  await app.close()
  await jobs
  await database.close()
}

try {
  await run()
  // Exits with 0, or with 1 after an uncaught error.
  process.exit()
} catch (error) {
  console.error(error)
  process.exit(1)
}
