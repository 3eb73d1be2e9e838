/**
 * What connections may hold: each of them, and all together.
 *
 * A client that sends requests and reads no responses costs memory, a file descriptor and a place among the requests in
 * flight. Node bounds none of this, so these bounds do:
 *
 * - Pipelining. A few requests of a connection are worked on at a time and the next one starts when a response has been
 *   written, so a connection holds a few responses at most. A connection with many more requests in line is closed.
 * - Time. A response that is not written within `responseTimeout` of its end costs its connection. The deadline is for
 *   the whole response: a limit on the time between two bytes would let a reader hold it forever, a byte now and then.
 *   A minimum throughput would not, but the promise that matters here is simpler: memory is held for that long and no
 *   longer. Responses are small (about 1.5 MiB at most), so the deadline is generous to slow links.
 * - Memory. Over `unsentBytes` in all, the connections with the most unsent bytes are closed first.
 * - Number. At `most` connections, a new one takes the place of the one that has been idle longest, so that silent
 *   connections cannot lock anyone out; `server.maxConnections` would drop the new one. If none is idle, the new one is
 *   dropped.
 */
import { readFileSync } from 'node:fs'
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'

/** How many requests of a connection are worked on, or wait to be written, at the same time. */
const MAX_ACTIVE = 4

/** How many requests of a connection may be unanswered, those included that have not started. */
const MAX_UNANSWERED = 64

/** How often unwritten responses are looked at, in milliseconds. */
const SWEEP_INTERVAL = 1000

/** How long a response may stay unwritten while requests are refused for the places that such responses hold. */
const HASTY_TIMEOUT = 1000

/** The number of connections where nothing else bounds it. */
const MAX_CONNECTIONS = 10_000

/** File descriptors for everything else: PGlite's files (about 130), the database, the log, token issuers, metrics. */
const RESERVED_DESCRIPTORS = 300

/** What is assumed where the system does not say how many files may be open. */
const USUAL_OPEN_FILES = 1024

export interface ConnectionLimits {
  /** Number of open connections. */
  most: number
  /** Milliseconds from a response's end until it must be written. */
  responseTimeout: number
  /** Bytes of responses that wait to be written, on all connections together. */
  unsentBytes: number
}

/**
 * Why a connection was closed: to make `room` for a new one; as a new one where none was idle (`full`); for too many
 * `unanswered` requests, or responses that were not read in time (`unread`) or in all too large (`unsent`).
 */
export type CloseReason = 'room' | 'full' | 'unanswered' | 'unread' | 'unsent'

export interface Connections {
  /** Calls `start` when it is this request's turn on its connection; never, once the connection is closed. */
  takeTurn(response: ServerResponse, start: () => void): void
  /** A response of so many bytes is about to be sent. */
  sending(bytes: number): void
  /** Calls `done` once the response is written, or never will be. */
  whenWritten(response: ServerResponse, done: () => void): void
  /** Requests are being refused: connections that are slow to read their responses have to make way. */
  hurry(): void
}

interface Connection {
  socket: Socket
  /** Its responses that are not written, in the order of the requests. */
  pending: Map<ServerResponse, Pending>
  /** What starts the newest of these requests, which have to wait. */
  held: (() => void)[]
}

interface Pending {
  /** When the response was first seen to be ended. */
  endedAt?: number
  /** What waits for it to be written. */
  waiting: (() => void)[]
}

/** Applies the limits to the server's connections; `onClose` hears of each that is closed for them. */
export function watchConnections(
  server: Server,
  limits: ConnectionLimits,
  log: FastifyBaseLogger,
  onClose: (reason: CloseReason) => void,
): Connections {
  const connections = new Map<Socket, Connection>()
  /** The connections without a pending response; the one that has been idle longest comes first. */
  const idle = new Set<Connection>()
  /** All others. */
  const busy = new Set<Connection>()
  /** Connections closed since the last sweep, by reason. */
  const closed = new Map<CloseReason, number>()
  /** An upper estimate between two counts: what was written since the last count is still in it. */
  let unsentBytes = 0
  let isHasty = false

  function count(reason: CloseReason): void {
    closed.set(reason, (closed.get(reason) ?? 0) + 1)
    onClose(reason)
  }

  function close(connection: Connection, reason: CloseReason): void {
    count(reason)
    forget(connection)
    // The descriptor is free when this returns.
    connection.socket.destroy()
  }

  function forget(connection: Connection): void {
    connections.delete(connection.socket)
    idle.delete(connection)
    busy.delete(connection)
    // Node reports the end of a response only while it is the connection's current one, so this must not wait for it.
    for (const pending of connection.pending.values()) settle(pending)
    connection.pending.clear()
    connection.held = []
  }

  function written(connection: Connection, response: ServerResponse, pending: Pending): void {
    connection.pending.delete(response)
    settle(pending)
    connection.held.shift()?.()
    // After the connection was closed it is in neither.
    if (connection.pending.size === 0 && busy.delete(connection)) idle.add(connection)
  }

  /** Measures the unsent bytes, and closes connections if they are too many. */
  function countUnsent(): void {
    const holders = [...busy].map(connection => ({ connection, bytes: unsentOn(connection) }))
    unsentBytes = holders.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const { connection, bytes } of holders.toSorted((a, b) => b.bytes - a.bytes)) {
      if (unsentBytes <= limits.unsentBytes) return
      unsentBytes -= bytes
      close(connection, 'unsent')
    }
  }

  function sweep(): void {
    countUnsent()
    const now = performance.now()
    const timeout = isHasty ? Math.min(HASTY_TIMEOUT, limits.responseTimeout) : limits.responseTimeout
    isHasty = false
    for (const connection of busy) {
      // Only what holds places of requests in flight has to hurry.
      const patience = holdsPlaces(connection) ? timeout : limits.responseTimeout
      if (isUnread(connection, now, patience)) close(connection, 'unread')
    }
    // One line, however many there were: who opens connections must not fill the log.
    if (closed.size > 0) log.warn(Object.fromEntries(closed), 'connections were closed')
    closed.clear()
  }

  server.on('connection', socket => {
    if (connections.size >= limits.most) {
      const [longestIdle] = idle
      if (longestIdle === undefined) {
        count('full')
        socket.destroy()
        return
      }
      close(longestIdle, 'room')
    }
    const connection: Connection = { socket, pending: new Map(), held: [] }
    connections.set(socket, connection)
    idle.add(connection)
    socket.once('close', () => forget(connection))
  })
  // Before Fastify's own listener, which may answer at once.
  server.prependListener('request', (request, response) => {
    const connection = connections.get(request.socket)
    // Closed by one of the requests before, which Node had parsed together with this one.
    if (connection === undefined) return
    const pending: Pending = { waiting: [] }
    connection.pending.set(response, pending)
    idle.delete(connection)
    busy.add(connection)
    response.once('finish', () => written(connection, response, pending))
    if (connection.pending.size > MAX_UNANSWERED) close(connection, 'unanswered')
  })
  const timer = setInterval(sweep, Math.min(SWEEP_INTERVAL, limits.responseTimeout)).unref()
  server.once('close', () => clearInterval(timer))
  // A failed accept is an event, and without a listener the end of the process. Failures to listen go to the caller.
  server.once('listening', () => server.on('error', err => log.error({ err }, 'a connection could not be accepted')))

  return {
    takeTurn(response, start) {
      const connection = connections.get(response.req.socket)
      if (connection === undefined) return
      if (connection.pending.size - connection.held.length <= MAX_ACTIVE) start()
      else connection.held.push(start)
    },
    sending(bytes) {
      unsentBytes += bytes
      if (unsentBytes > limits.unsentBytes) countUnsent()
    },
    whenWritten(response, done) {
      const pending = connections.get(response.req.socket)?.pending.get(response)
      if (pending === undefined) done()
      else pending.waiting.push(done)
    },
    hurry() {
      isHasty = true
    },
  }
}

function settle(pending: Pending): void {
  for (const done of pending.waiting) done()
  pending.waiting = []
}

/** What the socket has not handed to the system, and what responses hold that wait for the one before. */
function unsentOn({ socket, pending }: Connection): number {
  let bytes = socket.writableLength
  for (const response of pending.keys()) if (response.socket === null) bytes += response.writableLength
  return bytes
}

const holdsPlaces = ({ pending }: Connection) => [...pending.values()].some(({ waiting }) => waiting.length > 0)

/** Whether the first response, which alone depends on the reader only, was ended too long ago. */
function isUnread({ pending }: Connection, now: number, timeout: number): boolean {
  // Those behind it start to count as well: together they have that much time, and not each of them.
  for (const [response, entry] of pending) if (response.writableEnded) entry.endedAt ??= now
  const [first] = pending.values()
  return first?.endedAt !== undefined && now - first.endedAt >= timeout
}

/** How many connections leave enough file descriptors for the rest of the process. */
export function defaultMaxConnections(databaseConnections: number, openFiles = readOpenFilesLimit()): number {
  const free = openFiles - RESERVED_DESCRIPTORS - databaseConnections
  return Math.min(MAX_CONNECTIONS, Math.max(free, Math.floor(openFiles / 2)))
}

/** The process's limit on open files; Linux says it in a file. */
export function readOpenFilesLimit(file = '/proc/self/limits'): number {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    // Not Linux: a guess on the safe side is better than no service.
    return USUAL_OPEN_FILES
  }
  return Number(/^Max open files +(\d+)/m.exec(text)?.[1] ?? MAX_CONNECTIONS * 2)
}
