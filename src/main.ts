/** config -> database -> app -> listen -> graceful stop */
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { buildApp } from './app.ts'
import { type Config, isNpmScript, readConfig } from './config.ts'
import { DOCS_PATH } from './contract/documents.ts'
import { type Database, openDatabase } from './database/open.ts'
import { createLogger } from './logger.ts'
import { StartError } from './start-error.ts'

async function start(): Promise<void> {
  const config = readConfig()
  const logger = createLogger(config.LOG_LEVEL)
  const database = await openDatabase(
    { databaseUrl: config.DATABASE_URL, dataDir: config.DATA_DIR, poolSize: config.DATABASE_POOL_SIZE },
    logger,
  )
  const app = await buildApp({ database, logger, requestTimeout: config.REQUEST_TIMEOUT * 1000 })
  const stopping = new AbortController()
  stopOnSignal(app, database, logger, config, stopping)

  // Listening comes first: while the database is awaited, health and whatever needs no database are answered.
  await listen(app, config, database)
  await database.prepare(stopping.signal)
}

async function listen(app: FastifyInstance, { HOST, PORT }: Config, { description }: Database): Promise<void> {
  const listenTextResolver = (origin: string) =>
    `listening on ${origin}, reference at ${origin}${DOCS_PATH}, tasks in ${description}`
  try {
    await app.listen({ host: HOST, port: PORT, listenTextResolver })
  } catch (error) {
    throw new StartError(listenFailure(error as NodeJS.ErrnoException, HOST, PORT))
  }
}

function listenFailure(error: NodeJS.ErrnoException, host: string, port: number): string {
  return error.code === 'EADDRINUSE'
    ? `Port ${port} on ${host} is in use. Stop what uses it, or set PORT to another one.`
    : `Cannot listen on ${host}, port ${port}: ${error.message}.`
}

/** The first signal finishes what is in flight and ends with 0, at the latest a second after SHUTDOWN_TIMEOUT; a second signal does not wait. */
function stopOnSignal(
  app: FastifyInstance,
  database: Database,
  logger: Logger,
  config: Config,
  stopping: AbortController,
): void {
  const stop = async (signal: NodeJS.Signals) => {
    if (stopping.signal.aborted) return app.server.closeAllConnections()
    stopping.abort()
    logger.info(`${signal}: finishing what is in flight`)
    const timeout = config.SHUTDOWN_TIMEOUT * 1000
    setTimeout(() => app.server.closeAllConnections(), timeout).unref()
    setTimeout(() => process.exit(0), timeout + 1000).unref()
    await app.close()
    await database.close()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // npm hands signals to its shell, and that dies of them without a word to us: its end is the signal.
  const shell = process.ppid
  if (isNpmScript())
    setInterval(() => process.ppid !== shell && !stopping.signal.aborted && stop('SIGTERM'), 250).unref()
}

try {
  await start()
} catch (error) {
  console.error(error)
  process.exit(1)
}
