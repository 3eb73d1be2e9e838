/** Opens the ports of the service and of its metrics. */
import { lookup } from 'node:dns/promises'
import type { ListenOptions } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance, FastifyListenOptions } from 'fastify'
import type { Metrics } from '../process/metrics.ts'
import { StartError } from '../process/start-error.ts'
import { DOCS_PATH } from './documents.ts'

export interface Address {
  host: string
  /** 0 picks any free port. */
  port: number
}

/** @param tasksIn where the tasks are stored, for the log */
export async function listen(
  app: FastifyInstance,
  address: Address & { reusePort: boolean },
  tasksIn: string,
): Promise<void> {
  // Given the name, Fastify would start a second server for its other address, to which none of the app's limits apply.
  const host = address.host === 'localhost' ? (await lookup(address.host)).address : address.host
  // Fastify passes unknown options on to Node; its types lack reusePort.
  const options: FastifyListenOptions & Pick<ListenOptions, 'reusePort'> = {
    ...address,
    host,
    listenTextResolver: origin => `listening on ${origin}, reference at ${origin}${DOCS_PATH}, tasks in ${tasksIn}`,
  }
  try {
    await app.listen(options)
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, address, 'PORT')
  }
}

export async function listenForMetrics(
  metrics: Metrics | undefined,
  address: Address,
  log: FastifyBaseLogger,
): Promise<void> {
  if (metrics === undefined) return
  try {
    log.info(`metrics on ${await metrics.listen(address.host, address.port)}`)
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, address, 'METRICS_PORT')
  }
}

function listenError(error: NodeJS.ErrnoException, { host, port }: Address, variable: string): StartError {
  return new StartError(
    error.code === 'EADDRINUSE'
      ? `Port ${port} on ${host} is in use. Stop what uses it, or set ${variable} to another one.`
      : `Cannot listen on ${host}, port ${port}: ${error.message}.`,
  )
}
