/** config -> database -> app -> listen -> graceful stop */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import type { ListenOptions } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'
import type { Logger } from 'pino'
import { type AuthConfig, createAuthenticate } from './auth/authenticate.ts'
import { createGuard, type Guard } from './auth/guard.ts'
import { createRateLimit } from './auth/rate-limit.ts'
import { hasAuthentication } from './config/authentication.ts'
import { DEFAULT_RATE_LIMIT } from './config/callers.ts'
import { databaseConfig } from './config/database.ts'
import { isNpmScript, readConfig } from './config/read.ts'
import { requireSafety, startWarnings } from './config/safety.ts'
import { quotas, retention } from './config/storage.ts'
import type { Config } from './config/variables.ts'
import { type Database, openDatabase } from './database/open.ts'
import { buildApp } from './http/app.ts'
import { defaultMaxConnections } from './http/connections.ts'
import { DOCS_PATH } from './http/documents.ts'
import { runJobs } from './jobs/index.ts'
import { parent, takeSignals } from './process/early-signals.ts'
import { createLogger } from './process/logger.ts'
import { createMetrics, type Metrics } from './process/metrics.ts'
import { StartError } from './process/start-error.ts'

async function run(): Promise<void> {
  const config = readConfig()
  requireSafety(config)
  const logger = await createLogger(config.LOG_LEVEL)
  for (const warning of startWarnings(config, process.versions.node)) logger.warn(warning)
  const { stopping, hurrying } = watchSignals(config, logger)
  const database = await openDatabase(databaseConfig(config), logger)
  const metrics = config.METRICS_PORT === undefined ? undefined : createMetrics(database.poolUsage, logger)
  const app = await buildApp({
    database,
    logger,
    requestTimeout: config.REQUEST_TIMEOUT * 1000,
    guard: configureGuard(config, logger),
    localOnly: !hasAuthentication(config),
    maxInFlight: config.MAX_IN_FLIGHT,
    maxConnections: config.MAX_CONNECTIONS ?? defaultMaxConnections(config.DATABASE_POOL_SIZE),
    responseTimeout: config.RESPONSE_TIMEOUT * 1000,
    maxUnsentBytes: config.MAX_UNSENT_BYTES,
    maxEventLoopDelay: config.MAX_EVENT_LOOP_DELAY,
    retention: retention(config),
    quotas: quotas(config),
    metrics,
    stopping,
    trustProxy: config.TRUST_PROXY,
    corsOrigins: config.CORS_ORIGINS,
  })
  hurrying.addEventListener('abort', () => app.server.closeAllConnections())

  if (!stopping.aborted) {
    // Listening comes first: while the database is awaited, health and whatever needs no database are answered.
    await listenForMetrics(metrics, config, logger)
    await listen(app, config, database)
    await database.prepare(stopping)
  }
  const jobs = runJobs(config, { db: database.kysely, log: logger, metrics, signal: stopping })
  if (!stopping.aborted) await once(stopping, 'abort')
  // For as long as balancers need to see that health is 503, requests are served as before.
  await sleep(config.DRAIN_DELAY * 1000, undefined, { signal: hurrying }).catch(() => undefined)
  await app.close()
  await jobs
  await database.close()
}

async function listen(app: FastifyInstance, config: Config, { description }: Database): Promise<void> {
  const { HOST, PORT, REUSE_PORT } = config
  // For the name, Fastify would start a second server for its other address, which none of the app's bounds would reach.
  const host = HOST === 'localhost' ? (await lookup(HOST)).address : HOST
  // Fastify hands on what it does not know to Node, and its types do not know reusePort.
  const options: FastifyListenOptions & Pick<ListenOptions, 'reusePort'> = {
    host,
    port: PORT,
    reusePort: REUSE_PORT === 'on',
    listenTextResolver: origin => `listening on ${origin}, reference at ${origin}${DOCS_PATH}, tasks in ${description}`,
  }
  try {
    await app.listen(options)
  } catch (error) {
    throw listenFailure(error as NodeJS.ErrnoException, HOST, PORT, 'PORT')
  }
}

async function listenForMetrics(
  metrics: Metrics | undefined,
  { METRICS_HOST: host, METRICS_PORT: port = 0 }: Config,
  logger: Logger,
): Promise<void> {
  if (metrics === undefined) return
  try {
    logger.info(`metrics on ${await metrics.listen(host, port)}`)
  } catch (error) {
    throw listenFailure(error as NodeJS.ErrnoException, host, port, 'METRICS_PORT')
  }
}

function listenFailure(error: NodeJS.ErrnoException, host: string, port: number, variable: string): StartError {
  return new StartError(
    error.code === 'EADDRINUSE'
      ? `Port ${port} on ${host} is in use. Stop what uses it, or set ${variable} to another one.`
      : `Cannot listen on ${host}, port ${port}: ${error.message}.`,
  )
}

function configureGuard(config: Config, logger: Logger): Guard {
  const auth: AuthConfig = {
    secret: config.AUTH_SECRET,
    issuer: config.AUTH_ISSUER,
    jwksUrl: config.AUTH_JWKS_URL,
    audience: config.AUTH_AUDIENCE,
    tokenType: config.AUTH_TOKEN_TYPE,
    keysMaxAge: config.AUTH_KEYS_MAX_AGE * 1000,
  }
  const authenticated = hasAuthentication(config)
  const userLimit = config.RATE_LIMIT ?? (authenticated ? DEFAULT_RATE_LIMIT : 0)
  const addressLimit = config.ADDRESS_RATE_LIMIT
  return createGuard({
    authenticate: authenticated ? createAuthenticate(auth, logger) : undefined,
    userLimit: userLimit > 0 ? createRateLimit('user', userLimit) : undefined,
    addressLimit: addressLimit > 0 ? createRateLimit('address', addressLimit) : undefined,
  })
}

interface Stop {
  /** Aborts with the first signal: finish what is in flight. */
  stopping: AbortSignal
  /** Aborts DRAIN_DELAY and SHUTDOWN_TIMEOUT later, or with the second signal: finish nothing more. */
  hurrying: AbortSignal
}

/** Handles SIGTERM, SIGINT and errors that nobody has caught from now on; a second after `hurrying` the process ends, whatever still runs. */
function watchSignals(config: Config, logger: Logger): Stop {
  const stopping = new AbortController()
  const hurrying = new AbortController()
  const hurry = () => {
    hurrying.abort()
    setTimeout(() => process.exit(), 1000).unref()
  }
  const begin = () => {
    setTimeout(hurry, (config.DRAIN_DELAY + config.SHUTDOWN_TIMEOUT) * 1000).unref()
    stopping.abort()
  }
  const stop = (signal: NodeJS.Signals) => {
    if (stopping.signal.aborted) return hurry()
    logger.info(`${signal}: finishing what is in flight`)
    begin()
  }
  takeSignals(stop)
  // npm hands signals to its shell, and that dies of them without a word to us: its end is the signal.
  if (isNpmScript())
    setInterval(() => process.ppid !== parent && !stopping.signal.aborted && stop('SIGTERM'), 250).unref()
  // Rejections that nobody handles come here, too. What is in flight has a chance to finish; nothing new is trusted to this process.
  process.on('uncaughtException', err => {
    process.exitCode = 1
    logger.fatal({ err }, 'unexpected error: this process stops')
    if (!stopping.signal.aborted) begin()
  })
  return { stopping: stopping.signal, hurrying: hurrying.signal }
}

try {
  await run()
  // With 0, or with 1 after an unexpected error.
  process.exit()
} catch (error) {
  console.error(error)
  process.exit(1)
}
