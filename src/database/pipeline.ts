/**
 * Connections that many requests share. A statement is sent without waiting for the answers to those before it
 * (PostgreSQL's manual, 55.2.4, "Pipelining"); each is a transaction of its own, so that an error concerns no other.
 *
 * Answers come in the order of the statements: a slow one holds up those that were sent behind it. So there are several
 * connections with a bounded number of statements on each; the least loaded is taken, and one that does not get on is
 * avoided.
 */
import type { QueryResult } from 'pg'
import { breaksConnection, CLOSED, CONNECT_TIMEOUT, POOL_TIMEOUT, QUERY_TIMEOUT } from './errors.ts'
import type { PoolUsage } from './store.ts'

export interface Statement {
  text: string
  values: unknown[]
  /** Where it has one, it is prepared once on each connection. */
  name: string | undefined
}

export type Done = (error: Error | null | undefined, result: QueryResult) => void

/** A connection, as far as a pipeline needs it. */
export interface PipelineConnection {
  /** Sends at once. `done` is called for every statement, also where the connection is lost. */
  send(statement: Statement, done: Done): void
  /** Calls `listener` when the connection is lost, at work or not. */
  onLost(listener: () => void): void
  /** Cuts it: everything that is on its way fails with this error. */
  destroy(error: Error): void
  /** Ends it in good order, when nothing is on its way. */
  end(): Promise<void>
}

export interface PipelinesOptions {
  connect(): Promise<PipelineConnection>
  /** How many connections there may be. */
  connections: number
  /** How many statements may be on their way on each. */
  depth: number
  /** Within how many milliseconds a statement has to find room on a connection. */
  patience: number
  /** Within how many milliseconds it then has to be answered. */
  timeout: number
  /** For how many milliseconds a connection is used. */
  lifetime: number
  /** For how many milliseconds it is kept with nothing to do. */
  idleTime: number
  /** Every how many milliseconds it is looked whether something takes too long. */
  sweepInterval?: number
  /** The time in milliseconds, from whenever on. */
  now?: () => number
}

export interface Pipelines {
  /** Sends one statement; it fails as the connection does, or with the timeouts that a pool has. */
  query(statement: Statement): Promise<QueryResult>
  usage(): PoolUsage
  /** Ends all connections, each as soon as nothing is on its way on it; what has found no room yet fails. */
  close(): Promise<void>
}

/** A statement that is not answered yet. */
interface Pending {
  statement: Statement
  /** When it was asked for; once it is sent, when that was. In milliseconds, as all times here. */
  since: number
  resolve(result: QueryResult): void
  reject(error: Error): void
}

/** A connection that has been silent for so many milliseconds, with something to answer, is held up by it. */
const HELD_UP = 5

/** For how many milliseconds no more connections are tried where one was refused beside others. */
const REFUSAL_PAUSE = 500

/** Makes connections as they are needed. */
export function createPipelines(options: PipelinesOptions): Pipelines {
  const { connect, connections, depth, patience, timeout, lifetime, idleTime } = options
  const { sweepInterval = 250, now = performance.now.bind(performance) } = options
  const pipelines = new Set<Pipeline>()
  /** What waits for room, the oldest first. */
  const waiting: Pending[] = []
  const openings = new Set<Promise<void>>()
  let opening = 0
  let sweeper: NodeJS.Timeout | undefined
  let refusedAt = Number.NEGATIVE_INFINITY
  let isClosed = false

  /** Sends what waits, as far as there is room; opens one more connection where all are at work, if it may. */
  function dispatch(): void {
    while (waiting.length > 0) {
      const time = now()
      const mayOpen = pipelines.size + opening === 0 || time - refusedAt >= REFUSAL_PAUSE
      const best = choose(time, mayOpen)
      if (mayOpen && (best === undefined || best.load > 0) && pipelines.size + opening < connections) open()
      if (best === undefined) return
      best.send(waiting.shift() as Pending, time)
    }
  }

  /**
   * The one that is likely to answer first; undefined where it is worth waiting for it, or for one that is not there
   * yet.
   */
  function choose(time: number, mayOpen: boolean): Pipeline | undefined {
    const isMoreToCome = mayOpen && (opening > 0 || pipelines.size < connections)
    let best: Pipeline | undefined
    let least = Number.POSITIVE_INFINITY
    for (const pipeline of pipelines) {
      const silence = pipeline.silence(time)
      const isHeldUp = silence > HELD_UP
      if (pipeline.isLeaving || (isHeldUp && isMoreToCome)) continue
      // What has lasted for long is likely to last for long.
      const cost = pipeline.load + (isHeldUp ? depth + silence : 0)
      if (cost < least) {
        best = pipeline
        least = cost
      }
    }
    return best !== undefined && best.load < depth ? best : undefined
  }

  function open(): void {
    opening += 1
    const done = connect()
      .then(opened, refused)
      .finally(() => openings.delete(done))
    openings.add(done)
    sweeper ??= setInterval(sweep, sweepInterval).unref()
  }

  function opened(connection: PipelineConnection): void {
    opening -= 1
    const pipeline = new Pipeline(connection, now, () => {
      if (pipeline.hasLeft) pipelines.delete(pipeline)
      dispatch()
    })
    pipelines.add(pipeline)
    dispatch()
  }

  function refused(error: Error): void {
    opening -= 1
    // Where there are others, or may be soon, what waits is theirs.
    refusedAt = now()
    if (pipelines.size + opening > 0) dispatch()
    else for (const { reject } of waiting.splice(0)) reject(error)
  }

  function sweep(): void {
    const time = now()
    while (waiting[0] !== undefined && time - waiting[0].since > patience) {
      // Where there are connections, they are at work; where there are none, the server does not answer.
      waiting.shift()?.reject(new Error(pipelines.size > 0 ? POOL_TIMEOUT : CONNECT_TIMEOUT))
    }
    for (const pipeline of pipelines) {
      pipeline.giveUp(time, timeout)
      if (pipeline.age(time) > lifetime || pipeline.idleness(time) > idleTime) pipeline.leave()
    }
    if (pipelines.size + opening > 0) return
    clearInterval(sweeper)
    sweeper = undefined
  }

  return {
    query: statement =>
      new Promise((resolve, reject) => {
        if (isClosed) return reject(new Error(CLOSED))
        waiting.push({ statement, since: now(), resolve, reject })
        dispatch()
      }),
    usage() {
      const busy = [...pipelines].filter(({ load }) => load > 0).length
      return { busy, idle: pipelines.size - busy, waiting: waiting.length }
    },
    async close() {
      isClosed = true
      for (const { reject } of waiting.splice(0)) reject(new Error(CLOSED))
      await Promise.all(openings)
      await Promise.all([...pipelines].map(pipeline => pipeline.leave()))
    },
  }
}

/** One connection, and what is on its way on it. */
class Pipeline {
  readonly #connection: PipelineConnection
  readonly #now: () => number
  readonly #onChange: () => void
  /** In the order of sending, which is that of the answers. */
  readonly #onItsWay: Pending[] = []
  readonly #openedAt: number
  /** When it last answered, or began to have something to answer. */
  #progressAt: number
  readonly #end = Promise.withResolvers<void>()
  /** It gets no more statements, and ends with the last that it has. */
  isLeaving = false
  hasLeft = false

  /** @param onChange is called when there is room, or the connection has left */
  constructor(connection: PipelineConnection, now: () => number, onChange: () => void) {
    this.#connection = connection
    this.#now = now
    this.#openedAt = now()
    this.#progressAt = this.#openedAt
    this.#onChange = onChange
    connection.onLost(() => this.leave())
  }

  get load(): number {
    return this.#onItsWay.length
  }

  age(time: number): number {
    return time - this.#openedAt
  }

  /** For how long it has had nothing to do. */
  idleness(time: number): number {
    return this.load === 0 ? time - this.#progressAt : 0
  }

  /** For how long it has not answered, with something to answer. */
  silence(time: number): number {
    return this.load === 0 ? 0 : time - this.#progressAt
  }

  send(pending: Pending, time: number): void {
    if (this.load === 0) this.#progressAt = time
    pending.since = time
    this.#onItsWay.push(pending)
    this.#connection.send(pending.statement, (error, result) => {
      const place = this.#onItsWay.indexOf(pending)
      // The driver calls twice for a value that it cannot send.
      if (place === -1) return
      this.#onItsWay.splice(place, 1)
      this.#progressAt = this.#now()
      if (error) pending.reject(error)
      else pending.resolve(result)
      if (this.isLeaving || (error && breaksConnection(error))) this.leave()
      else this.#onChange()
    })
  }

  /** Tells those who have waited for longer than `timeout`; ends the connection where it does not answer at all. */
  giveUp(time: number, timeout: number): void {
    const isSilent = this.silence(time) > timeout
    // 57014, as the server says where it gives up: one took too long, and the connection works.
    const error = Object.assign(new Error(QUERY_TIMEOUT), isSilent ? {} : { code: '57014' })
    for (const { since, reject } of this.#onItsWay) if (time - since > timeout) reject(error)
    if (isSilent) this.#connection.destroy(error)
  }

  /** Lets it end as soon as nothing is on its way; returns when it has ended. */
  leave(): Promise<void> {
    this.isLeaving = true
    if (this.load === 0 && !this.hasLeft) {
      this.hasLeft = true
      this.#end.resolve(this.#connection.end())
      this.#onChange()
    }
    return this.#end.promise
  }
}
