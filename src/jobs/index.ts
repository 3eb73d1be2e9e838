/** The table of background jobs: a new job is one file, and one line here. */
import { retention } from '../config/storage.ts'
import type { Config } from '../config/variables.ts'
import { purgeJob } from './purge.ts'
import { type Job, type RunnerContext, runPeriodically } from './runner.ts'
import { timeZonesJob } from './time-zones.ts'

const jobs = (config: Config): Job[] => [purgeJob(retention(config), config.PURGE_INTERVAL * 1000), timeZonesJob()]

/** Runs the enabled jobs until the signal aborts; resolves once nothing is in progress, never rejects. */
export async function runJobs(config: Config, context: RunnerContext): Promise<void> {
  const enabled = jobs(config).filter(({ interval }) => interval > 0)
  await Promise.all(enabled.map(job => runPeriodically(job, context)))
}
