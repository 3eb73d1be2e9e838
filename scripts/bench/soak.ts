/** Whether the service's memory grows in use: resident memory during minutes of mixed load. */
import { measure, operations } from './load.ts'
import { type BenchOptions, median, seed } from './peers.ts'
import { startContender } from './servers.ts'
import { peakMemory, residentMemory } from './usage.ts'

/** Seconds of one kind of request before the next kind. */
const TURN = 5
/** How many times the memory of the first third the last third may have; garbage collection is noisy. */
const MOST_GROWTH = 1.1
/** The length of the longest bar, and the number of bars. */
const BAR = 60
const BARS = 20

/** Measures, prints, and returns whether the memory stayed flat. */
export async function soak({ url, seconds, signal }: BenchOptions): Promise<boolean> {
  await using server = await startContender('service', url)
  await seed(url)
  const pid = server.child.pid as number
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
