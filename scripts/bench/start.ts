/** Measures the time from `npm start`'s command to a healthy service. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../support/folder.ts'
import { startHealthyProcess } from '../support/process.ts'
import { type BenchOptions, median } from './peers.ts'

/** Measures, prints, and returns whether all starts met their targets. */
export async function measureStart({ url, rounds, signal }: BenchOptions): Promise<boolean> {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'data')
  const kinds = [
    { name: 'PostgreSQL', target: 700, env: { DATABASE_URL: url } },
    { name: 'PGlite, existing', target: 1200, env: { DATA_DIR: dataDir } },
    { name: 'PGlite, new', target: 4000, env: { DATA_DIR: dataDir }, isNew: true },
  ]
  console.log('| database | healthy after, ms | target |\n| --- | ---: | ---: |')
  let isInTime = true
  for (const { name, target, env, isNew = false } of kinds) {
    const times: number[] = []
    // The first start, which creates the schema or compiles everything, does not count.
    for (let round = 0; round <= rounds && !signal.aborted; round += 1) {
      if (isNew) await rm(dataDir, { recursive: true, force: true })
      const milliseconds = await timeOneStart(env)
      if (round > 0) times.push(milliseconds)
    }
    console.log(`| ${name} | ${Math.round(median(times))} | ${target} |`)
    isInTime &&= median(times) <= target
  }
  return isInTime
}

async function timeOneStart(env: Record<string, string>): Promise<number> {
  const start = performance.now()
  await using _service = await startHealthyProcess(env)
  return performance.now() - start
}
