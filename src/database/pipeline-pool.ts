/**
 * A pool of pipelines. Results come in the order of the statements, so a slow statement delays those behind it on the
 * same connection. The pool therefore bounds the statements on each connection, sends on the least loaded one, and
 * avoids a connection that makes no progress.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { QueryResult } from 'pg'
import { CLOSED, CONNECT_TIMEOUT, POOL_TIMEOUT } from './errors.ts'
import { type Pending, Pipeline, type PipelineConnection, type Statement } from './pipeline.ts'
import type { PoolLoad } from './store.ts'

/** All durations are in milliseconds. */
export interface PipelinePoolOptions {
  connect(): Promise<PipelineConnection>
  /** Maximum number of connections. */
  connections: number
  /** Maximum number of statements in flight on each connection. */
  depth: number
  /** How long a statement waits for room on a connection. */
  patience: number
  /** How long a statement waits for its result once it is sent. */
  timeout: number
  /** How long a connection is used. */
  lifetime: number
  /** How long an idle connection is kept. */
  idleTime: number
  /** How often these limits are enforced. */
  sweepInterval?: number
  /** The time in milliseconds since any fixed moment. */
  now?: () => number
}

export interface PipelinePool {
  /** Sends one statement; fails as the connection does, or with the timeouts of the driver's own pool. */
  query(statement: Statement): Promise<QueryResult>
  usage(): PoolLoad
  /** Closes each connection as soon as nothing is in flight on it; statements that still wait for room fail. */
  close(): Promise<void>
}

/** A connection that makes no progress for so many milliseconds is stalled. */
const STALLED_AFTER = 5

/** After a refused connection, how many milliseconds to wait before another attempt, if other connections exist. */
const REFUSAL_PAUSE = 500

/** Opens connections as needed. */
export function createPipelinePool(options: PipelinePoolOptions): PipelinePool {
  const { connect, connections, depth, patience, timeout, lifetime, idleTime } = options
  const { sweepInterval = 250, now = performance.now.bind(performance) } = options
  const pipelines = new Set<Pipeline>()
  /** The statements that wait for room, the oldest first. */
  const waiting: Pending[] = []
  const openings = new Set<Promise<void>>()
  let opening = 0
  let sweeper: NodeJS.Timeout | undefined
  let refusedAt = Number.NEGATIVE_INFINITY
  let isClosed = false

  /** Sends what waits, as far as there is room; opens another connection if all are busy and the limits allow it. */
  function dispatch(): void {
    while (waiting.length > 0) {
      const time = now()
      const mayOpen = pipelines.size + opening === 0 || time - refusedAt >= REFUSAL_PAUSE
      const best = choose(time, mayOpen)
      if (mayOpen && (best === undefined || best.load > 0) && pipelines.size + opening < connections) open()
      if (best === undefined) return
      const pending = waiting.shift() as Pending
      if (pending.inContext === undefined) best.send(pending, time)
      else pending.inContext(() => best.send(pending, time))
    }
  }

  /** The connection likely to respond first; undefined if waiting for room, or for a new connection, is better. */
  function choose(time: number, mayOpen: boolean): Pipeline | undefined {
    const isMoreToCome = mayOpen && (opening > 0 || pipelines.size < connections)
    let best: Pipeline | undefined
    let least = Number.POSITIVE_INFINITY
    for (const pipeline of pipelines) {
      const silence = pipeline.silence(time)
      const isStalled = silence > STALLED_AFTER
      if (pipeline.isClosing || (isStalled && isMoreToCome)) continue
      // A statement that has run for long is likely to run for long.
      const cost = pipeline.load + (isStalled ? depth + silence : 0)
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
      if (pipeline.isClosed) pipelines.delete(pipeline)
      dispatch()
    })
    pipelines.add(pipeline)
    dispatch()
  }

  function refused(error: Error): void {
    opening -= 1
    refusedAt = now()
    // Other connections, open or opening, can still serve the waiting statements.
    if (pipelines.size + opening > 0) dispatch()
    else for (const { reject } of waiting.splice(0)) reject(error)
  }

  function sweep(): void {
    const time = now()
    while (waiting[0] !== undefined && time - waiting[0].since > patience) {
      // If there are connections, they are busy; if there are none, the server does not respond.
      waiting.shift()?.reject(new Error(pipelines.size > 0 ? POOL_TIMEOUT : CONNECT_TIMEOUT))
    }
    for (const pipeline of pipelines) {
      pipeline.giveUp(time, timeout)
      if (pipeline.age(time) > lifetime || pipeline.idleness(time) > idleTime) pipeline.close()
    }
    if (pipelines.size + opening > 0) return
    clearInterval(sweeper)
    sweeper = undefined
  }

  return {
    query: statement =>
      new Promise((resolve, reject) => {
        if (isClosed) return reject(new Error(CLOSED))
        const pending: Pending = { statement, since: now(), resolve, reject }
        waiting.push(pending)
        dispatch()
        // It will be sent by whoever makes room; a tracer must find the request that it belongs to.
        if (waiting.at(-1) === pending) pending.inContext = AsyncLocalStorage.snapshot()
      }),
    usage() {
      const busy = [...pipelines].filter(({ load }) => load > 0).length
      return { busy, idle: pipelines.size - busy, waiting: waiting.length }
    },
    async close() {
      isClosed = true
      for (const { reject } of waiting.splice(0)) reject(new Error(CLOSED))
      await Promise.all(openings)
      await Promise.all([...pipelines].map(pipeline => pipeline.close()))
    },
  }
}
