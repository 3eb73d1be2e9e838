/**
 * The neighbour in `../neighbours.ts`. It runs in a worker thread, so its work does not delay the clock of the measured
 * user. It keeps its pace whatever the responses are: a client that honours `Retry-After` is not the worst
 * case.
 */
import { once } from 'node:events'
import { Agent } from 'node:http'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { type Request, send, until } from './send.ts'

export interface Attack {
  origin: string
  /** Sent in rotation. */
  requests: Request[]
  /** Whether the first request is sent once before the attack, so that there is a response to replay. */
  isPrimed: boolean
  connections: number
  /** How many requests are sent at the start. */
  atOnce: number
  /** How many requests follow each second. */
  perSecond: number
  seconds: number
}

export interface AttackReport {
  sent: number
  /** Requests by status or error code, without those that are still waiting for a response. */
  outcomes: Record<string, number>
}

const port = parentPort as MessagePort
const { origin, requests, isPrimed, connections, atOnce, perSecond, seconds } = workerData as Attack

// Once all connections are busy, further requests wait here, not at the service.
const agent = new Agent({ keepAlive: true, maxSockets: connections })
// If it is refused, so are its replays, which the report shows.
if (isPrimed) await send(origin, agent, requests[0] as Request)
port.postMessage('ready')
await once(port, 'message')

const report: AttackReport = { sent: 0, outcomes: {} }
const attack = async () => {
  const request = requests[report.sent % requests.length] as Request
  report.sent += 1
  const outcome = await send(origin, agent, request)
  report.outcomes[outcome] = (report.outcomes[outcome] ?? 0) + 1
}
const start = performance.now()
for (let count = 0; count < atOnce; count += 1) attack()
for (let count = 0; count < perSecond * seconds; count += 1) {
  await until(start + (count * 1000) / perSecond)
  attack()
}
await until(start + seconds * 1000)
port.postMessage(report)
