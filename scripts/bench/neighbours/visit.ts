/** The requests of the user who is measured. */
import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { taskOf } from '../load.ts'
import { createToken } from '../servers.ts'
import { WARMER } from './data.ts'
import { type Request, send, until } from './send.ts'

/** Requests per second of the user who is measured: 1,080 a minute, so the user's own limit is never reached. */
const PACE = 18
/** How long that user waits for a response, in milliseconds. */
const PATIENCE = 5000
/** Requests sent before anything is measured: the first hundreds are slow in any new process. */
const WARM_UP = 300

export const operations = ['get', 'list', 'create'] as const
export type Operation = (typeof operations)[number]

export interface Visit {
  operation: Operation
  /** Since the request was due, which may be before it could be sent. */
  milliseconds: number
  outcome: string
}

export const isSuccess = ({ outcome }: Visit) => outcome.startsWith('2')

export interface Visitor {
  origin: string
  user: string
  token: string
}

export const visitorOf = async (origin: string, user: string): Promise<Visitor> => ({
  origin,
  user,
  token: await createToken(user),
})

const visits: Record<Operation, (visitor: Visitor) => Request> = {
  get: ({ user, token }) => ({ method: 'GET', path: `/api/${user}/tasks/${taskOf(0)}`, token }),
  list: ({ user, token }) => ({ method: 'GET', path: `/api/${user}/tasks?limit=50`, token }),
  create: ({ user, token }) => ({
    method: 'POST',
    path: `/api/${user}/tasks`,
    token,
    key: randomUUID(),
    body: '{"title":"Buy oat milk","description":"Two cartons"}',
  }),
}

const operationOf = (count: number) => operations[count % operations.length] as Operation

export async function warmUp(origin: string): Promise<void> {
  const visitor = await visitorOf(origin, WARMER)
  const agent = new Agent({ keepAlive: true })
  for (let count = 0; count < WARM_UP; count += 1) {
    const outcome = await send(origin, agent, visits[operationOf(count)](visitor))
    if (!outcome.startsWith('2')) throw new Error(`a request without any neighbour failed: ${outcome}`)
  }
  agent.destroy()
}

/** Sends the user's requests, each at its time, whether or not earlier ones have been answered. */
export async function visit(visitor: Visitor, seconds: number, signal: AbortSignal): Promise<Visit[]> {
  const agent = new Agent({ keepAlive: true })
  const sendOne = async (operation: Operation, due: number): Promise<Visit> => {
    const outcome = await send(visitor.origin, agent, visits[operation](visitor), AbortSignal.timeout(PATIENCE))
    return { operation, milliseconds: performance.now() - due, outcome }
  }
  const sent: Promise<Visit>[] = []
  const start = performance.now()
  for (let count = 0; count < PACE * seconds && !signal.aborted; count += 1) {
    const due = start + (count * 1000) / PACE
    await until(due)
    sent.push(sendOne(operationOf(count), due))
  }
  const answered = await Promise.all(sent)
  agent.destroy()
  return answered
}
