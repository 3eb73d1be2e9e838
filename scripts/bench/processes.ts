/** What a second process on the same port adds, measured with requests that fail validation before the database. */
import autocannon from 'autocannon'
import { randomUser } from '../support/service.ts'
import { CONNECTIONS } from './load.ts'
import { type BenchOptions, median } from './peers.ts'
import { freePort, startContender } from './servers.ts'

/** As large as possible and invalid in its last item: much work for the service, little for the load generator. */
const items = [
  ...Array.from({ length: 99 }, (_, number) => ({ action: 'create', task: { title: `Buy ${number}` } })),
  {},
]

/** Measures, prints, and returns whether two are faster than one. */
export async function measureProcesses(options: BenchOptions): Promise<boolean> {
  const { url, rounds, seconds, signal } = options
  await using stack = new AsyncDisposableStack()
  const port = await freePort()
  const rates: number[] = []
  for (const processes of [1, 2]) {
    stack.use(await startContender('service', url, { PORT: `${port}`, REUSE_PORT: 'on' }))
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
