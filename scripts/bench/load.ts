/** The load on a server, and how fast it responds. */
import autocannon from 'autocannon'

export const USERS = 500
export const TASKS_EACH = 50
export const CONNECTIONS = 32

export interface Measurement {
  /** Requests per second. */
  rate: number
  /** Milliseconds. */
  p50: number
  p99: number
  requests: number
}

export const operations = ['get', 'list', 'create', 'toggle'] as const
/** Those that are compared with other servers, and `keyed create`: one with an Idempotency-Key, which is new each time. */
export type Operation = (typeof operations)[number] | 'keyed create'

/** Users and tasks by number: the data are created by SQL, so every id is known here. */
export const userOf = (number: number): string => `bench-${number}`
export const taskOf = (number: number): string => `00000000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`

const below = (limit: number) => Math.floor(Math.random() * limit)

function request(operation: Operation): {
  user: string
  method: 'GET' | 'POST' | 'PATCH'
  path: string
  body?: string
} {
  const number = below(USERS)
  const user = userOf(number)
  const tasks = `/api/${user}/tasks`
  const task = `${tasks}/${taskOf(number * TASKS_EACH + below(TASKS_EACH))}`
  switch (operation) {
    case 'get':
      return { user, method: 'GET', path: task }
    case 'list':
      return { user, method: 'GET', path: tasks }
    case 'create':
    case 'keyed create':
      // For users who are not listed, because the length of lists must not change.
      return {
        user,
        method: 'POST',
        path: `/api/new-${number}/tasks`,
        body: '{"title":"Buy oat milk","description":"Two cartons"}',
      }
    case 'toggle':
      return { user, method: 'PATCH', path: `${task}/complete` }
  }
}

/** How many different requests each connection sends in rotation. Built beforehand, which costs more than sending. */
const REQUESTS_EACH = 200

const requests = (operation: Operation, tokens: Map<string, string> | undefined) =>
  Array.from({ length: REQUESTS_EACH }, () => {
    const { user, body, ...rest } = request(operation)
    const token = tokens?.get(user)
    const headers = {
      // autocannon replaces it in each request by an id.
      ...(operation === 'keyed create' && { 'idempotency-key': '[<id>]' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    return { ...rest, headers, ...(body !== undefined && { body }) }
  })

/**
 * @param tokens by user, if requests need one
 * @throws if any response is an error, because errors are fast
 */
export async function measure(
  origin: string,
  operation: Operation,
  seconds: number,
  tokens?: Map<string, string>,
): Promise<Measurement> {
  // Its own histogram counts whole milliseconds, too coarse for ratios.
  const milliseconds: number[] = []
  const result = await autocannon({
    url: origin,
    connections: CONNECTIONS,
    duration: seconds,
    idReplacement: operation === 'keyed create',
    setupClient: client => {
      client.setRequests(requests(operation, tokens))
      client.on('response', (_status, _bytes, duration) => milliseconds.push(duration))
    },
  })
  if (result.non2xx + result.errors + result.timeouts > 0) {
    throw new Error(`${operation} at ${origin}: ${result.non2xx} not successful, ${result.errors} errors`)
  }
  const sorted = Float64Array.from(milliseconds).sort()
  const percentile = (percent: number) => sorted[Math.floor((sorted.length * percent) / 100)] as number
  const { average: rate, total } = result.requests
  return { rate, p50: percentile(50), p99: percentile(99), requests: total }
}
