/** Runs a job periodically, in one replica at a time. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Logger } from 'pino'
import { describeError } from '../database/errors.ts'
import type { Tables } from '../database/tables.ts'
import type { Metrics } from '../process/metrics.ts'
import { takeLease } from './lease.ts'

export interface Job {
  /** Its name in the table `job`, the log and the metrics. */
  readonly name: string
  /** Milliseconds between two runs, over all replicas; 0 disables the job. */
  readonly interval: number
  /** Works until it is finished or `signal` aborts. Returns what to log, or undefined if there was nothing to do. */
  run(context: JobContext): Promise<object | undefined>
}

export interface JobContext {
  db: Kysely<Tables>
  log: Logger
  signal: AbortSignal
}

export interface RunnerContext extends JobContext {
  metrics: Pick<Metrics, 'jobFinished'> | undefined
}

/** How many milliseconds other replicas wait before they take the job of a replica that has died. */
const LEASE = 60_000

/** Milliseconds: the delay after the first failure, unless the interval is shorter, and the maximum, unless longer. */
const FIRST_RETRY = 10_000
const MAX_RETRY = 60_000

/**
 * Runs the job at once and then at its interval, until `signal` aborts. Logs a failure and tries the job again.
 * Never rejects, and resolves once the run in progress has ended.
 */
export async function runPeriodically(job: Job, context: RunnerContext, lease = LEASE): Promise<void> {
  const { db, metrics, signal } = context
  const log = context.log.child({ job: job.name })
  let failures = 0
  while (!signal.aborted) {
    const start = performance.now()
    const seconds = () => (performance.now() - start) / 1000
    try {
      const run = await runOnce(job, { db, log, signal }, lease)
      if (run === undefined) {
        // `failures` stays: if this replica's own lease has not expired yet, the next attempt comes soon.
        log.debug('job not run: another replica has it, or it is not due')
      } else {
        failures = 0
        metrics?.jobFinished(job.name, 'succeeded', seconds())
        if (run.result === undefined) log.debug('job done: there was nothing to do')
        else log.info(run.result, 'job done')
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

/** Undefined if the lease is not free. */
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
    // The next attempt need not wait. If this does not reach the database, the lease expires by itself.
    await lease.end(0).catch(() => undefined)
    throw error
  }
  // If the run was stopped, another replica may continue at once.
  await lease.end(context.signal.aborted ? 0 : job.interval)
  return { result }
}

/** Doubles with each failure, up to a maximum; randomly shortened by up to half, so that replicas spread out. */
export function retryDelay(failures: number, interval: number): number {
  const delay = Math.min(interval, FIRST_RETRY) * 2 ** (failures - 1)
  return Math.min(delay, Math.max(interval, MAX_RETRY)) * (1 - Math.random() / 2)
}
