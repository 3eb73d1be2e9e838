/**
 * Limits what connections may hold: each one, and all of them together.
 *
 * A client that sends requests and reads no responses costs memory, a file descriptor and places among the requests in
 * flight. Node limits none of this, so this file does:
 *
 * - Pipelining. A few requests per connection are in progress at a time; the next one starts when a response has been
 *   written. A connection therefore holds only a few responses. A connection with too many queued requests is closed.
 * - Time. A response must be written within `responseTimeout` of its end, or its connection is closed. The deadline is
 *   for the whole response: with a limit on the time between two bytes, a client could read one byte now and then and
 *   hold it forever. A minimum throughput would also work, but a deadline directly limits what matters: how long memory
 *   is held. Responses are small (about 1.5 MiB at most), so the deadline leaves slow links enough time.
 * - Memory. Above `maxUnsentBytes`, the connections with the most unsent bytes are closed first.
 * - Number. At `maxConnections`, a new connection replaces the one that has been idle longest, so silent connections
 *   cannot lock anyone out; `server.maxConnections` would drop the new one. If none is idle, the new one is closed.
 */
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { type Connection, hasRequestsInFlight, isUnread, type Pending, settle, unsentOn } from './connection.ts'

/** Maximum number of requests per connection that are in progress or whose response is being written. */
const MAX_ACTIVE = 4

/** Maximum number of unanswered requests per connection, including those that have not started. */
const MAX_UNANSWERED = 64

/** Milliseconds between two checks of unwritten responses. */
const SWEEP_INTERVAL = 1000

/** Milliseconds for which responses may stay unwritten while the requests in flight are at their limit. */
const SHORT_RESPONSE_TIMEOUT = 1000

export interface ConnectionLimits {
  /** Maximum number of open connections. */
  maxConnections: number
  /** Milliseconds from the end of a response until it must be written. */
  responseTimeout: number
  /** Maximum number of bytes in responses that wait to be written, on all connections together. */
  maxUnsentBytes: number
}

/**
 * Why a connection was closed: to make `room` for a new one; as a new one when none was idle (`full`); for too many
 * `unanswered` requests; for responses that were not read in time (`unread`) or too large in total (`unsent`).
 */
export type CloseReason = 'room' | 'full' | 'unanswered' | 'unread' | 'unsent'

export interface Connections {
  /** Calls `start` when the request may start; never, if its connection is closed before that. */
  takeTurn(response: ServerResponse, start: () => void): void
  /** Counts a response that is about to be sent. */
  sending(bytes: number): void
  /** Calls `done` once the response is written or its connection is closed. */
  whenWritten(response: ServerResponse, done: () => void): void
  /** Until the next check, closes connections sooner if their unread responses count as requests in flight. */
  shortenDeadline(): void
  /** The response to the newest request of an open connection, and the last unwritten response before it, if any. */
  responsesOn(socket: Socket): { newest?: ServerResponse | undefined; previous?: ServerResponse | undefined }
  /** Closes the connections that have sent nothing: Node's server would wait for them when it closes. */
  closeSilent(): void
}

/** Applies the limits to the connections of `app`; `onClose` is called for each connection that they close. */
export function limitConnections(
  app: FastifyInstance,
  limits: ConnectionLimits,
  log: FastifyBaseLogger,
  onClose: (reason: CloseReason) => void,
): Connections {
  const connections = watchConnections(app.server, limits, log, onClose)
  app.addHook('onRequest', (_request, reply, done) => connections.takeTurn(reply.raw, done))
  app.addHook('onSend', (_request, _reply, payload, done) => {
    connections.sending((payload as string | Buffer | null | undefined)?.length ?? 0)
    done(null, payload)
  })
  app.addHook('preClose', done => {
    connections.closeSilent()
    done()
  })
  return connections
}

export function watchConnections(
  server: Server,
  limits: ConnectionLimits,
  log: FastifyBaseLogger,
  onClose: (reason: CloseReason) => void,
): Connections {
  const connections = new Map<Socket, Connection>()
  /** Connections without a pending response; the one that has been idle longest comes first. */
  const idle = new Set<Connection>()
  /** All other connections. */
  const busy = new Set<Connection>()
  /** Number of connections closed since the last sweep, by reason. */
  const closed = new Map<CloseReason, number>()
  /** An upper estimate: it still includes what was written since the last measurement. */
  let unsentBytes = 0
  let isDeadlineShort = false

  function count(reason: CloseReason): void {
    closed.set(reason, (closed.get(reason) ?? 0) + 1)
    onClose(reason)
  }

  function close(connection: Connection, reason: CloseReason): void {
    count(reason)
    forget(connection)
    // Frees the descriptor immediately.
    connection.socket.destroy()
  }

  function forget(connection: Connection): void {
    connections.delete(connection.socket)
    idle.delete(connection)
    busy.delete(connection)
    // Node reports the end of a response only while it is the connection's current one, so do not wait for that.
    for (const pending of connection.pending.values()) settle(pending)
    connection.pending.clear()
    connection.queue = []
  }

  function written(connection: Connection, response: ServerResponse, pending: Pending): void {
    connection.pending.delete(response)
    settle(pending)
    connection.queue.shift()?.()
    // A closed connection is in neither set.
    if (connection.pending.size === 0 && busy.delete(connection)) idle.add(connection)
  }

  /** Measures the unsent bytes and closes connections if there are too many. */
  function measureUnsent(): void {
    const holders = [...busy].map(connection => ({ connection, bytes: unsentOn(connection) }))
    unsentBytes = holders.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const { connection, bytes } of holders.toSorted((a, b) => b.bytes - a.bytes)) {
      if (unsentBytes <= limits.maxUnsentBytes) return
      unsentBytes -= bytes
      close(connection, 'unsent')
    }
  }

  function sweep(): void {
    measureUnsent()
    const now = performance.now()
    const { responseTimeout } = limits
    const shortTimeout = isDeadlineShort ? Math.min(SHORT_RESPONSE_TIMEOUT, responseTimeout) : responseTimeout
    isDeadlineShort = false
    for (const connection of busy) {
      const timeout = hasRequestsInFlight(connection) ? shortTimeout : responseTimeout
      if (isUnread(connection, now, timeout)) close(connection, 'unread')
    }
    // One line for all of them: opening connections must not fill the log.
    if (closed.size > 0) log.warn(Object.fromEntries(closed), 'connections closed to enforce limits')
    closed.clear()
  }

  server.on('connection', socket => {
    if (connections.size >= limits.maxConnections) {
      const [longestIdle] = idle
      if (longestIdle === undefined) {
        count('full')
        socket.destroy()
        return
      }
      close(longestIdle, 'room')
    }
    const connection: Connection = { socket, pending: new Map(), queue: [] }
    connections.set(socket, connection)
    idle.add(connection)
    socket.once('close', () => forget(connection))
  })
  // Before Fastify's own listener, which may respond immediately.
  server.prependListener('request', (request, response) => {
    const connection = connections.get(request.socket)
    // An earlier request closed it; Node parsed both from the same chunk.
    if (connection === undefined) return
    const pending: Pending = { callbacks: [] }
    connection.pending.set(response, pending)
    connection.newest = response
    idle.delete(connection)
    busy.add(connection)
    response.once('finish', () => written(connection, response, pending))
    if (connection.pending.size > MAX_UNANSWERED) close(connection, 'unanswered')
  })
  const timer = setInterval(sweep, Math.min(SWEEP_INTERVAL, limits.responseTimeout)).unref()
  server.once('close', () => clearInterval(timer))
  // Without a listener, a failed accept would end the process. Failures to listen are left to the caller.
  server.once('listening', () => server.on('error', err => log.error({ err }, 'accepting a connection failed')))

  return {
    takeTurn(response, start) {
      const connection = connections.get(response.req.socket)
      if (connection === undefined) return
      if (connection.pending.size - connection.queue.length <= MAX_ACTIVE) start()
      else connection.queue.push(start)
    },
    sending(bytes) {
      unsentBytes += bytes
      if (unsentBytes > limits.maxUnsentBytes) measureUnsent()
    },
    whenWritten(response, done) {
      const pending = connections.get(response.req.socket)?.pending.get(response)
      if (pending === undefined) done()
      else pending.callbacks.push(done)
    },
    shortenDeadline() {
      isDeadlineShort = true
    },
    responsesOn(socket) {
      // Both callers ask about writable sockets only: one that is not tracked any more is destroyed.
      const { newest, pending } = connections.get(socket) as Connection
      return { newest, previous: [...pending.keys()].findLast(response => response !== newest) }
    },
    closeSilent() {
      for (const { socket } of idle) if (socket.bytesRead === 0) socket.destroy()
    },
  }
}
