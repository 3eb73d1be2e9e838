/** What a second process on the same port adds, in requests that never reach the database: those that the contract refuses. */
import autocannon from 'autocannon'
import { randomUser, type Teardown } from '../support/service.ts'
import { CONNECTIONS } from './load.ts'
import { type BenchOptions, median } from './peers.ts'
import { freePort, startContender } from './servers.ts'

/** As large as it may be, and wrong in its last item: much work for the service, and little for whoever sends it. */
const items = [
  ...Array.from({ length: 99 }, (_, number) => ({ action: 'create', task: { title: `Buy ${number}` } })),
  {},
]

/** Measures, prints, and says whether two are faster than one. */
export async function measureProcesses(test: Teardown, options: BenchOptions): Promise<boolean> {
  const { url, rounds, seconds, signal } = options
  const port = await freePort()
  const rates: number[] = []
  for (const processes of [1, 2]) {
    await startContender(test, 'service', url, { PORT: `${port}`, REUSE_PORT: 'on' })
    const measured: number[] = []
    for (let round = 0; round <= rounds && !signal.aborted; round += 1) {
      const result = await autocannon({
        url: `http://127.0.0.1:${port}/api/${randomUser()}/tasks/batch`,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ items }),
        connections: CONNECTIONS,
        duration: seconds,
      })
      if (result['4xx'] !== result.requests.total) throw new Error('not every request was refused')
      if (round > 0) measured.push(result.requests.average)
    }
    rates.push(median(measured))
    console.log(`${processes} on one port: ${Math.round(rates.at(-1) as number)} requests/s`)
  }
  const [one, two] = rates as [number, number]
  console.log(`ratio: ${(two / one).toFixed(2)}`)
  return two > one
}
