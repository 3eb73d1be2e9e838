/** How long it takes from `npm start`'s command to a healthy service. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startServer } from '../support/server.ts'
import { type Teardown, temporaryFolder } from '../support/service.ts'
import { type BenchOptions, median } from './peers.ts'

/** Measures, prints, and says whether all of them were in time. */
export async function measureStart(test: Teardown, { url, rounds, signal }: BenchOptions): Promise<boolean> {
  const folder = join(await temporaryFolder(test), 'data')
  const kinds = [
    { name: 'PostgreSQL', target: 700, env: { DATABASE_URL: url } },
    { name: 'PGlite, existing', target: 1200, env: { DATA_DIR: folder } },
    { name: 'PGlite, new', target: 4000, env: { DATA_DIR: folder }, isNew: true },
  ]
  console.log('| database | healthy after, ms | target |\n| --- | ---: | ---: |')
  let isInTime = true
  for (const { name, target, env, isNew = false } of kinds) {
    const times: number[] = []
    // The first start is the one that makes the schema, or has nothing compiled.
    for (let round = 0; round <= rounds && !signal.aborted; round += 1) {
      if (isNew) await rm(folder, { recursive: true, force: true })
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
  const { stop } = await startServer(env)
  const milliseconds = performance.now() - start
  await stop()
  return milliseconds
}
