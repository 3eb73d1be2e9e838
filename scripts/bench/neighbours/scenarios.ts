/** The neighbours: what each sends, and how fast. */
import { randomUUID } from 'node:crypto'
import { DEFAULT_RATE_LIMIT } from '../../../src/config/callers.ts'
import { variables } from '../../../src/config/variables.ts'
import { CONNECTIONS } from '../load.ts'
import type { Attack } from './aggressor.ts'
import { DESCRIPTION_CHARACTERS, type Seed, seedLargeTasks, seedTrash } from './data.ts'
import type { Request } from './send.ts'

/** The window of every limit, in seconds. */
const WINDOW = 60
const ADDRESS_LIMIT = Number(variables.ADDRESS_RATE_LIMIT.default)
/** Requests with an invalid token per second. */
const BAD_TOKENS = 50

const BATCH_ITEMS = 100

type Pace = Pick<Attack, 'atOnce' | 'perSecond'>

export interface Scenario {
  name: string
  pace: Pace
  /** What the neighbour sends, in rotation. */
  requests(user: string, token: string): Request[]
  isPrimed?: boolean
  /** Whether the token has a wrong signature. */
  isForged?: boolean
  /** Creates the neighbour's data. By SQL: within the limits, the API would need most of an hour. */
  seed?: Seed
}

/**
 * Most neighbours twice: at a pace that never exceeds the limit, and spending a whole minute's requests in `seconds`.
 */
export function scenariosOf(seconds: number): Scenario[] {
  const steady: Pace = { atOnce: 0, perSecond: DEFAULT_RATE_LIMIT / WINDOW }
  const burst: Pace = {
    atOnce: CONNECTIONS,
    perSecond: (DEFAULT_RATE_LIMIT - CONNECTIONS) / Math.min(seconds, WINDOW),
  }
  const bothPaces = (name: string, kind: Omit<Scenario, 'name' | 'pace'>): Scenario[] => [
    { name: `${name}, steadily`, pace: steady, ...kind },
    { name: `${name}, in a burst`, pace: burst, ...kind },
  ]
  const badTokens = { isForged: true, requests: getTasks(['tasks']) }
  return [
    ...bothPaces('batches', { requests: (user, token) => [batch(user, token, 'Two cartons.')] }),
    ...bothPaces('largest pages', {
      seed: seedLargeTasks,
      requests: getTasks(['tasks?limit=200', 'changes?limit=500']),
    }),
    ...bothPaces('full trash', { seed: seedTrash, requests: getTasks(trashPaths()) }),
    ...bothPaces('replays', {
      isPrimed: true,
      requests: (user, token) => [{ ...batch(user, token, 'x'.repeat(DESCRIPTION_CHARACTERS)), key: randomUUID() }],
    }),
    {
      name: 'bad tokens, below the limit',
      pace: { atOnce: 0, perSecond: Math.min(BAD_TOKENS, (0.9 * ADDRESS_LIMIT) / Math.min(seconds, WINDOW)) },
      ...badTokens,
    },
    { name: 'bad tokens, above the limit', pace: { atOnce: ADDRESS_LIMIT, perSecond: BAD_TOKENS }, ...badTokens },
  ]
}

const getTasks =
  (paths: string[]): Scenario['requests'] =>
  (user, token) =>
    paths.map(path => ({ method: 'GET', path: `/api/${user}/${path}`, token }))

/** Snapshots alternate with lists for which the whole trash is searched in vain: no task in it is completed. */
const trashPaths = () =>
  ['created_at.desc', 'updated_at.asc', 'title.asc'].flatMap(sort => [
    'changes',
    `tasks?deleted=true&completed=true&limit=200&sort=${sort}`,
  ])

function batch(user: string, token: string, description: string): Request {
  const items = Array.from({ length: BATCH_ITEMS }, (_, number) => ({
    action: 'create',
    task: { title: `Buy ${number}`, description },
  }))
  return { method: 'POST', path: `/api/${user}/tasks/batch`, token, body: JSON.stringify({ items }) }
}
