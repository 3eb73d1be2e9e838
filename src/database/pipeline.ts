/**
 * One connection that many requests share. A statement is sent without waiting for the results of those before it
 * (PostgreSQL's manual, 55.2.4, "Pipelining"); each is a transaction of its own, so an error affects no other.
 */
import type { QueryResult } from 'pg'
import { breaksConnection, QUERY_TIMEOUT } from './errors.ts'

export interface Statement {
  text: string
  values: unknown[]
  /** A statement with a name is prepared once on each connection. */
  name: string | undefined
}

export type Done = (error: Error | null | undefined, result: QueryResult) => void

/** The driver's connection, as far as a pipeline needs it. */
export interface PipelineConnection {
  /** Sends at once. `done` is called for every statement, even if the connection is lost. */
  send(statement: Statement, done: Done): void
  /** Calls `listener` when the connection is lost, idle or not. */
  onLost(listener: () => void): void
  /** Closes the connection at once: everything in flight fails with this error. */
  destroy(error: Error): void
  /** Closes the connection properly; call it only when nothing is in flight. */
  end(): Promise<void>
}

/** A statement without a result yet. */
export interface Pending {
  statement: Statement
  /** When the statement was queued or, once sent, when it was sent. In milliseconds, as all times here. */
  since: number
  /** Calls a function in the asynchronous context of the statement's request. */
  inContext?: (work: () => void) => void
  resolve(result: QueryResult): void
  reject(error: Error): void
}

/** A connection and the statements in flight on it. */
export class Pipeline {
  readonly #connection: PipelineConnection
  readonly #now: () => number
  readonly #onChange: () => void
  /** In the order of sending, which is the order of the results. */
  readonly #inFlight: Pending[] = []
  readonly #openedAt: number
  /** When the last result arrived or, if later, when the connection stopped being idle. */
  #progressAt: number
  readonly #end = Promise.withResolvers<void>()
  /** Takes no more statements, and closes after the last one in flight. */
  isClosing = false
  isClosed = false

  /** @param onChange is called when there is room for a statement, or the pipeline is closed */
  constructor(connection: PipelineConnection, now: () => number, onChange: () => void) {
    this.#connection = connection
    this.#now = now
    this.#openedAt = now()
    this.#progressAt = this.#openedAt
    this.#onChange = onChange
    connection.onLost(() => this.close())
  }

  get load(): number {
    return this.#inFlight.length
  }

  age(time: number): number {
    return time - this.#openedAt
  }

  /** How long nothing has been in flight. */
  idleness(time: number): number {
    return this.load === 0 ? time - this.#progressAt : 0
  }

  /** How long no result has arrived although something is in flight. */
  silence(time: number): number {
    return this.load === 0 ? 0 : time - this.#progressAt
  }

  send(pending: Pending, time: number): void {
    if (this.load === 0) this.#progressAt = time
    pending.since = time
    this.#inFlight.push(pending)
    this.#connection.send(pending.statement, (error, result) => {
      const place = this.#inFlight.indexOf(pending)
      // The driver calls twice for a value that it cannot send.
      if (place === -1) return
      this.#inFlight.splice(place, 1)
      this.#progressAt = this.#now()
      if (error) pending.reject(error)
      else pending.resolve(result)
      if (this.isClosing || (error && breaksConnection(error))) this.close()
      else this.#onChange()
    })
  }

  /** Rejects statements in flight for longer than `timeout`; destroys a connection that has been silent that long. */
  giveUp(time: number, timeout: number): void {
    const isSilent = this.silence(time) > timeout
    // 57014, as from a server that cancels a statement: only the statement took too long, the connection works.
    const error = Object.assign(new Error(QUERY_TIMEOUT), isSilent ? {} : { code: '57014' })
    for (const { since, reject } of this.#inFlight) if (time - since > timeout) reject(error)
    if (isSilent) this.#connection.destroy(error)
  }

  /** Closes the connection once nothing is in flight; resolves when it is closed. */
  close(): Promise<void> {
    this.isClosing = true
    if (this.load === 0 && !this.isClosed) {
      this.isClosed = true
      this.#end.resolve(this.#connection.end())
      this.#onChange()
    }
    return this.#end.promise
  }
}
