/** One connection: its responses that are not written yet. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface Connection {
  socket: Socket
  /** Its unwritten responses, in the order of their requests. */
  pending: Map<ServerResponse, Pending>
  /** Functions that start the queued requests, which are the newest. */
  queue: (() => void)[]
  newest?: ServerResponse
}

export interface Pending {
  /** When the response was first seen to have ended. */
  endedAt?: number
  /** Called when it is written. */
  callbacks: (() => void)[]
}

/** Calls what waits for the response to be written. */
export function settle(pending: Pending): void {
  for (const done of pending.callbacks) done()
  pending.callbacks = []
}

/** The bytes in the socket's buffer, and in responses that wait for an earlier one. */
export function unsentOn({ socket, pending }: Connection): number {
  let bytes = socket.writableLength
  for (const response of pending.keys()) if (response.socket === null) bytes += response.writableLength
  return bytes
}

/** Whether any of its responses still counts as a request in flight. */
export const hasRequestsInFlight = ({ pending }: Connection) =>
  [...pending.values()].some(({ callbacks }) => callbacks.length > 0)

/** Whether the first response ended too long ago: it alone waits for nothing but the client. */
export function isUnread({ pending }: Connection, now: number, timeout: number): boolean {
  // The time of those behind it starts as well: pipelined responses share one timeout.
  for (const [response, entry] of pending) if (response.writableEnded) entry.endedAt ??= now
  const [first] = pending.values()
  return first?.endedAt !== undefined && now - first.endedAt >= timeout
}
