/** Workers that create, read, change, delete, restore and list tasks, singly and in batches, and record outcomes. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import type { History, Stored } from './history.ts'
import type { Call, Content, Outcome } from './model.ts'
import { backOff, type Requests } from './requests.ts'
import type { Answer, Request } from './send.ts'

const KINDS = [
  'read',
  'read',
  'read',
  'replace',
  'replace',
  'retitle',
  'retitle',
  'toggle',
  'toggle',
  'prioritise',
  'postpone',
  'retime',
  'tag',
  'tag',
  'untag',
  'move',
  'list',
  'delete',
  'restore',
  'batch',
] as const

const PRIORITIES = ['none', 'low', 'medium', 'high', 'urgent']
/** In the order in which the service returns them. */
const TAGS = ['errands', 'home', 'work']
const randomDay = (random: Random) => `2026-12-${10 + random.below(20)}`

type Refusal = 204 | 404 | 409 | 412 | 422
const isRefusal = (status: number): status is Refusal => [204, 404, 409, 412, 422].includes(status)

/** Attempts at each final read, a second or two apart. */
const LAST_ATTEMPTS = 10

export interface Workload {
  /** Runs one worker until `signal` aborts. */
  work(random: Random, signal: AbortSignal): Promise<void>
  /** Reads every task and the whole list once more; returns the list. */
  readAll(): Promise<Stored[]>
}

/** Positive controls: the client lies, so that the checker has something to find. */
export interface Lies {
  /** Whether to record this write as successful without sending it. */
  claims(call: Call): boolean
  /** Whether to omit conditions from requests. */
  isBlind: boolean
}

/** @param slots number of tasks that the workers share */
export function createWorkload(
  requests: Requests,
  history: History,
  user: string,
  slots: number,
  lies: Lies,
): Workload {
  const tasksPath = `/api/${user}/tasks`
  const { findings } = history
  /** The id in each slot. The id of a deleted task stays taken, so the slot gets a new one sooner or later. */
  const current = Array.from({ length: slots }, () => randomUUID() as string)
  /** Ids that a worker has tried to create; a list may look for others. */
  const attempted = new Set<string>()
  /** Ids whose creation is in progress or has a response. */
  const created = new Set<string>()
  /** The revision at which each task was last seen, for conditions. */
  const revisions = new Map<string, number>()
  let titles = 0

  const newContent = (random: Random): Content => ({
    title: `title ${titles++}`,
    description: random.pick([null, 'described']),
    completed: random.pick([true, false]),
    due: random.pick([null, { date: randomDay(random), time: '09:00', time_zone: 'Europe/Berlin' }]),
    priority: random.pick(PRIORITIES),
    tags: TAGS.filter(() => random.below(2) === 0),
  })

  function toOutcome(id: string, what: string, answer: Answer | undefined): Outcome {
    if (answer === undefined) return undefined
    const { status, body } = answer
    if (status === 200 || status === 201) {
      revisions.set(id, body.revision)
      return history.see(status, body)
    }
    if (isRefusal(status)) return { status }
    findings.push(`${what} returned ${status}: ${JSON.stringify(body)}`)
    return undefined
  }

  function toRequest(id: string, call: Call): Request {
    const path = `${tasksPath}/${id}`
    const headers = call.only === undefined || lies.isBlind ? {} : { 'if-match': `"${call.only}"` }
    switch (call.kind) {
      case 'create':
        return { method: 'POST', path: tasksPath, body: { id, ...call.content } }
      case 'read':
        return { method: 'GET', path }
      case 'replace':
        return { method: 'PUT', path, body: call.content, headers }
      case 'retitle':
        return { method: 'PATCH', path, body: { title: call.title }, headers }
      case 'prioritise':
        return { method: 'PATCH', path, body: { priority: call.priority }, headers }
      case 'postpone':
        return { method: 'PATCH', path, body: { due: { date: call.date } }, headers }
      case 'retime':
        return { method: 'PATCH', path, body: { due: { time: call.time } }, headers }
      case 'tag':
        return { method: 'PUT', path: `${path}/tags/${call.tag}`, headers }
      case 'untag':
        return { method: 'DELETE', path: `${path}/tags/${call.tag}`, headers }
      case 'move':
        return { method: 'POST', path: `${path}/move`, body: { to: call.to }, headers }
      case 'toggle':
        return { method: 'PATCH', path: `${path}/complete`, headers }
      case 'complete':
        return { method: 'PATCH', path: `${path}/complete`, body: { completed: call.completed }, headers }
      case 'delete':
        return { method: 'DELETE', path, headers }
      case 'restore':
        return { method: 'POST', path: `${path}/restore`, headers }
    }
  }

  /** Sends half of the writes with a key; these are retried until their outcome is known. */
  async function perform(random: Random, id: string, call: Call, signal: AbortSignal): Promise<Outcome> {
    const start = performance.now()
    const request = toRequest(id, call)
    const isKeyed = call.kind !== 'read' && random.below(2) === 0
    const answer = () => (isKeyed ? requests.sendUntilResponse(request, signal) : requests.send(request))
    const outcome = lies.claims(call) ? claim(call) : toOutcome(id, call.kind, await answer())
    history.record(id, call, outcome, start)
    return outcome
  }

  const claim = (call: Call): Outcome =>
    call.kind === 'replace' ? { status: 200, content: call.content } : { status: 204 }

  /** The revision at which the task was last seen, a third of the time. */
  function condition(random: Random, id: string): { only?: number } {
    const only = revisions.get(id)
    return only === undefined || random.below(3) > 0 ? {} : { only }
  }

  async function list(): Promise<Stored[] | undefined> {
    const start = performance.now()
    // A copy, because a slot may get a new id meanwhile, which may or may not be listed.
    const asked = [...current]
    const answer = await requests.send({ method: 'GET', path: `${tasksPath}?limit=200` })
    if (answer === undefined) return undefined
    if (answer.status !== 200) {
      findings.push(`list returned ${answer.status}`)
      return []
    }
    const listed = answer.body.data as Stored[]
    const ids = listed.map(({ id }) => id)
    if (new Set(ids).size !== ids.length) findings.push(`a list contains an id twice: ${ids.join(' ')}`)
    for (const stored of listed) {
      if (attempted.has(stored.id)) continue
      findings.push(`a list contains a task that nobody created: ${stored.id} ${stored.title}`)
    }
    for (const id of asked) {
      const stored = listed.find(task => task.id === id)
      history.record(id, { kind: 'read' }, stored === undefined ? { status: 404 } : history.see(200, stored), start)
    }
    return listed
  }

  /** Completes or reopens up to three tasks at once, all or none; returns false if the outcome is unknown. */
  async function completeSome(random: Random, signal: AbortSignal): Promise<boolean> {
    const ids = new Set(Array.from({ length: 3 }, () => current[random.below(slots)] as string))
    const calls = [...ids].map(id => {
      const completed = random.pick([true, false])
      return { id, call: { kind: 'complete', completed, ...condition(random, id) } satisfies Call }
    })
    const items = calls.map(({ id, call }) => ({
      action: 'complete',
      id,
      completed: call.completed,
      ...(call.only !== undefined && !lies.isBlind && { revision: call.only }),
    }))
    const start = performance.now()
    const request = { method: 'POST', path: `${tasksPath}/batch`, body: { items } }
    const answer = await (random.below(2) === 0 ? requests.sendUntilResponse(request, signal) : requests.send(request))
    for (const [index, { id, call }] of calls.entries()) {
      // A failed batch reports the outcome of the item that failed; the others did not happen.
      if (answer !== undefined && answer.status !== 200 && answer.body.index !== index) continue
      const own = answer?.status === 200 ? { ...answer, body: answer.body.items[index].task } : answer
      history.record(id, call, toOutcome(id, 'batch', own), start)
    }
    return answer !== undefined
  }

  /** Retries: the last fault may have left dead connections that the servers still believe in. */
  async function withRetries<Result>(attempt: () => Promise<Result | undefined>): Promise<Result | undefined> {
    for (let attempts = 1; attempts < LAST_ATTEMPTS; attempts++) {
      const result = await attempt()
      if (result !== undefined) return result
      await backOff()
    }
    return attempt()
  }

  async function step(random: Random, signal: AbortSignal): Promise<boolean> {
    const slot = random.below(slots)
    const id = current[slot] as string
    const kind = random.pick(KINDS)
    if (kind === 'list') return (await list()) !== undefined
    if (!created.has(id)) {
      attempted.add(id)
      created.add(id)
      const outcome = await perform(random, id, { kind: 'create', content: newContent(random) }, signal)
      // Retries with the same id, as a client would; this must not create a second task.
      if (outcome === undefined) created.delete(id)
      return outcome !== undefined
    }
    if (kind === 'batch') return completeSome(random, signal)
    // Rarer than the rest, because they end most histories.
    if (kind === 'delete' && random.below(5) > 0) return true
    if (kind === 'delete' && random.below(2) > 0) current[slot] = randomUUID()
    const call: Call = { ...toCall(random, kind), ...(kind !== 'read' && condition(random, id)) }
    return (await perform(random, id, call, signal)) !== undefined
  }

  function toCall(random: Random, kind: Exclude<Call['kind'], 'create' | 'complete'>): Call {
    if (kind === 'replace') return { kind, content: newContent(random) }
    switch (kind) {
      case 'retitle':
        return { kind, title: newContent(random).title }
      case 'prioritise':
        return { kind, priority: random.pick(PRIORITIES) }
      case 'postpone':
        return { kind, date: randomDay(random) }
      case 'retime':
        return { kind, time: random.pick(['08:30', '17:00']) }
      case 'tag':
      case 'untag':
        return { kind, tag: random.pick(TAGS) }
      case 'move':
        return { kind, to: random.pick(['start', 'end']) }
      default:
        return { kind }
    }
  }

  return {
    async work(random, signal) {
      while (!signal.aborted) {
        if (await step(random, signal)) await sleep(random.below(10))
        else await backOff()
      }
    },
    async readAll() {
      for (const id of history.operations.keys()) {
        const outcome = await withRetries(async () => {
          const start = performance.now()
          const outcome = toOutcome(id, 'read', await requests.send(toRequest(id, { kind: 'read' })))
          history.record(id, { kind: 'read' }, outcome, start)
          return outcome
        })
        if (outcome === undefined) findings.push(`${id} cannot be read at the end`)
      }
      const listed = await withRetries(list)
      if (listed === undefined) findings.push('the list cannot be read at the end')
      return listed ?? []
    },
  }
}
