/** The table of what the service does by itself: a new job is one file, and one line here. */
import { retention } from '../config/storage.ts'
import type { Config } from '../config/variables.ts'
import { purgeJob } from './purge.ts'
import { type Job, runPeriodically, type Surroundings } from './runner.ts'

const jobs = (config: Config): Job[] => [purgeJob(retention(config), config.PURGE_INTERVAL * 1000)]

/** Runs the jobs that are switched on until the signal aborts; resolves once nothing is in progress, never rejects. */
export async function runJobs(config: Config, surroundings: Surroundings): Promise<void> {
  const wanted = jobs(config).filter(({ interval }) => interval > 0)
  await Promise.all(wanted.map(job => runPeriodically(job, surroundings)))
}
