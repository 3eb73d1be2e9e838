/** Whether the memory of the service grows while it is used: a mixed load for minutes, and what is resident meanwhile. */
import type { Teardown } from '../support/service.ts'
import { measure, operations } from './load.ts'
import { type BenchOptions, median, seed } from './peers.ts'
import { startContender } from './servers.ts'
import { peakMemory, residentMemory } from './usage.ts'

/** Seconds of each kind of request before the next. */
const TURN = 5
/** The last third may have as much more than the first as garbage collection makes of noise. */
const MOST_GROWTH = 1.1
/** How long the longest bar is, and how many there are. */
const BAR = 60
const BARS = 20

/** Measures, prints, and says whether the memory stayed flat. */
export async function soak(test: Teardown, { url, seconds, signal }: BenchOptions): Promise<boolean> {
  const server = await startContender(test, 'service', url)
  await seed(url)
  const pid = server.process.pid as number
  const resident: number[] = []
  let requests = 0
  const end = performance.now() + seconds * 1000
  while (performance.now() < end && !signal.aborted) {
    for (const operation of operations) {
      requests += (await measure(server.origin, operation, TURN)).requests
      resident.push(residentMemory(pid))
    }
    const left = Math.max(0, Math.round((end - performance.now()) / 1000))
    console.error(`${left} s left, ${requests} requests, ${Math.round(resident.at(-1) as number)} MB`)
  }
  if (signal.aborted) return false
  const most = Math.max(...resident)
  const step = Math.ceil(resident.length / BARS)
  for (const megabytes of resident.filter((_, index) => index % step === 0)) {
    console.log(`${'#'.repeat(Math.round((megabytes / most) * BAR)).padEnd(BAR)} ${Math.round(megabytes)} MB`)
  }
  const third = Math.ceil(resident.length / 3)
  const growth = median(resident.slice(-third)) / median(resident.slice(0, third))
  console.log(
    `${requests} requests; at most ${Math.round(peakMemory(pid))} MB; last third / first: ${growth.toFixed(2)}`,
  )
  return growth <= MOST_GROWTH
}
