/** The service, or only its database, behind a proxy that injects faults. */
import { createFaultProxy, type FaultProxy } from '../../scripts/support/fault-proxy.ts'
import { type LogLine, type ServiceProcess, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { type Client, client, onPostgres, ownDatabase } from '../../scripts/support/service.ts'
import type { Database } from '../../src/database/open.ts'
import { openDisposable } from './database.ts'

export const isWaiting = ({ msg }: LogLine) => msg === 'the database is not available yet; waiting for it'

/** PGlite has one session, in which two connections cannot prepare the same statement. */
const prepared = onPostgres ? {} : { DATABASE_PREPARED: 'off' }

/** Creates a proxy to a new database; it refuses connections until it listens. */
export async function createProxy(): Promise<FaultProxy> {
  await using stack = new AsyncDisposableStack()
  const config = stack.use(await ownDatabase())
  const proxy = stack.use(await createFaultProxy(config))
  const resources = stack.move()
  return Object.assign(proxy, { [Symbol.asyncDispose]: () => resources.disposeAsync() })
}

/** Starts the service behind a proxy, with one connection for each purpose, which only the test uses. */
export const startBehind = ({ url }: FaultProxy): Promise<ServiceProcess> =>
  startProcess({ DATABASE_URL: url, DATABASE_POOL_SIZE: '3', PURGE_INTERVAL: '0', LOG_LEVEL: 'debug', ...prepared })

interface Proxied extends AsyncDisposable {
  proxy: FaultProxy
  running: ServiceProcess
  newUser: Client['newUser']
}

/** Starts the service behind a proxy to a new database and waits until it is healthy. */
export async function startProxied(): Promise<Proxied> {
  await using stack = new AsyncDisposableStack()
  const proxy = stack.use(await createProxy())
  await proxy.listen()
  const running = stack.use(await startBehind(proxy))
  await untilHealthy(running.origin)
  // The only job that runs, which uses the same connections.
  await running.logged(({ job, msg }) => String(job).startsWith('time_zones') && msg.startsWith('job done'))
  const { newUser } = client(running.origin)
  const resources = stack.move()
  return { proxy, running, newUser, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/** Opens a new database behind a proxy. */
export async function openProxied(): Promise<{ proxy: FaultProxy; db: Database['kysely'] } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const proxy = stack.use(await createProxy())
  await proxy.listen()
  const config = { databaseUrl: proxy.url, dataDir: '', poolSize: 5, isPrepared: onPostgres }
  const { kysely } = stack.use(await openDisposable(config))
  const resources = stack.move()
  return { proxy, db: kysely, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}
