/** Connections that a test holds, and metrics of those that the service closes. */
import type { Socket } from 'node:net'
import { openConnection } from '../../scripts/support/socket.ts'
import type { CloseReason } from '../../src/http/connections.ts'
import type { Metrics } from '../../src/process/metrics.ts'

/** The largest response that the service serves from memory. */
export const BUNDLE = '/docs/reference.js'

/** A connection that is destroyed when it goes out of scope; the service may close it at any time before. */
export type OpenSocket = Socket & Disposable

export async function openSocket(port: number): Promise<OpenSocket> {
  const socket = await openConnection(port)
  return Object.assign(socket, { [Symbol.dispose]: () => void socket.destroy() })
}

/** Opens a connection whose responses stay unread. */
export async function openUnread(port: number): Promise<OpenSocket> {
  return (await openSocket(port)).pause()
}

/** Counts what the service counts, and lets a test wait for it. */
export function createCounts() {
  const closed: CloseReason[] = []
  const answered: (string | undefined)[] = []
  let changed = Promise.withResolvers<void>()
  const metrics: Metrics = {
    answered: ({ operationId }) => answered.push(operationId),
    databaseFailed: () => undefined,
    connectionClosed(reason) {
      closed.push(reason)
      changed.resolve()
      changed = Promise.withResolvers()
    },
    jobFinished: () => undefined,
    listen: async () => '',
  }
  const untilClosed = async (reason: CloseReason, times = 1) => {
    while (closed.filter(one => one === reason).length < times) await changed.promise
  }
  return { metrics, closed, answered, untilClosed }
}
