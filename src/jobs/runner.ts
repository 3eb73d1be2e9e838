/** Runs a job again and again, in one replica at a time. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Logger } from 'pino'
import { describeError } from '../database/errors.ts'
import type { Tables } from '../database/tables.ts'
import type { Metrics } from '../process/metrics.ts'
import { takeLease } from './lease.ts'

export interface Job {
  /** What the table `job`, the log and the metrics call it. */
  readonly name: string
  /** How many milliseconds lie between two runs, for all replicas together; 0 switches the job off. */
  readonly interval: number
  /** Works until all is done or `signal` aborts. Returns what to log, or undefined if there was nothing to do. */
  run(context: JobContext): Promise<object | undefined>
}

export interface JobContext {
  db: Kysely<Tables>
  log: Logger
  signal: AbortSignal
}

export interface Surroundings extends JobContext {
  metrics: Pick<Metrics, 'jobFinished'> | undefined
}

/** For how many milliseconds nobody else does the job of a replica that has died. */
const LEASE = 60_000

/** Milliseconds: the wait after the first failure, and the bound, unless the interval is shorter or longer. */
const FIRST_RETRY = 10_000
const LAST_RETRY = 60_000

/**
 * Runs the job at once and then at its interval, until `signal` aborts. A failure is logged and the job is tried again.
 * It never rejects, and resolves once the run in progress has ended.
 */
export async function runPeriodically(job: Job, surroundings: Surroundings, lease = LEASE): Promise<void> {
  const { db, metrics, signal } = surroundings
  const log = surroundings.log.child({ job: job.name })
  let failures = 0
  while (!signal.aborted) {
    const start = performance.now()
    const seconds = () => (performance.now() - start) / 1000
    try {
      const run = await runOnce(job, { db, log, signal }, lease)
      if (run === undefined) {
        // The failures stay: if this replica's own lease is still there, the next try comes soon.
        log.debug('job not run: another replica has it, or it is not due')
      } else {
        failures = 0
        metrics?.jobFinished(job.name, 'succeeded', seconds())
        if (run.result !== undefined) log.info(run.result, 'job done')
      }
    } catch (error) {
      failures += 1
      metrics?.jobFinished(job.name, 'failed', seconds())
      log.warn({ error: describeError(error) }, 'job failed; it will be tried again')
    }
    const delay = failures === 0 ? job.interval : retryDelay(failures, job.interval)
    await sleep(delay, undefined, { signal }).catch(() => undefined)
  }
}

/** Undefined if the lease was not to be had. */
async function runOnce(
  job: Job,
  context: JobContext,
  duration: number,
): Promise<{ result: object | undefined } | undefined> {
  const lease = await takeLease(context.db, job.name, duration)
  if (lease === undefined) return undefined
  let result: object | undefined
  try {
    result = await job.run({ ...context, signal: AbortSignal.any([context.signal, lease.lost]) })
  } catch (error) {
    // Whoever tries next need not wait. If the database does not hear of it, the lease ends by itself.
    await lease.end(0).catch(() => undefined)
    throw error
  }
  // If the run was stopped, another replica may go on at once.
  await lease.end(context.signal.aborted ? 0 : job.interval)
  return { result }
}

/** Doubles with each failure, up to a bound. Chance takes up to half of it, so that replicas do not return together. */
export function retryDelay(failures: number, interval: number): number {
  const delay = Math.min(interval, FIRST_RETRY) * 2 ** (failures - 1)
  return Math.min(delay, Math.max(interval, LAST_RETRY)) * (1 - Math.random() / 2)
}
