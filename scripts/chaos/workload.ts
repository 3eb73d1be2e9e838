/** Workers that create, read, replace, toggle, delete and list tasks, and the history of what they were answered. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Operation } from './checker.ts'
import type { Call, Content, Outcome } from './model.ts'
import type { Random } from './random.ts'

/** For how many milliseconds a write of unknown outcome may still happen: longer than any statement lives. */
const UNKNOWN_LIFETIME = 10_000

/** How long a worker waits after a failure, in milliseconds, as Retry-After asks. */
const BACK_OFF = 1_000

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
  'list',
  'delete',
] as const

export interface Workload {
  /** The operations on each task, by id. */
  histories: Map<string, Operation[]>
  /** What no history is needed to see. */
  findings: string[]
  count: { operations: number; unknown: number }
  /** Runs one worker until `signal` aborts. */
  work(random: Random, signal: AbortSignal): Promise<void>
  /** From now on nothing that is unknown can still happen. */
  closeUnknown(): void
  /** Reads every task and the whole list once more. */
  readAll(): Promise<void>
}

/** A positive control: makes the client lie, so that the checker has something to find. */
export interface Lies {
  /** Whether to claim that this write was done, and not to send it. */
  claims(call: Call): boolean
}

interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: what came over the wire; what is wrong with it becomes a finding
  body: any
}

interface Stored extends Content {
  id: string
  revision: number
}

/** @param origins of the servers now; @param slots how many tasks are worked on at the same time */
export function createWorkload(origins: () => string[], user: string, slots: number, lies: Lies): Workload {
  const tasksPath = `/api/${user}/tasks`
  /** A deleted task's id stays taken: its slot gets a new one. */
  const current = Array.from({ length: slots }, () => randomUUID() as string)
  /** Those that somebody has tried to create; a list may have looked for others. */
  const attempted = new Set<string>()
  /** Those whose creation is under way or was answered. */
  const created = new Set<string>()
  const histories = new Map<string, Operation[]>()
  const findings: string[] = []
  const revisions = new Map<number, string>()
  const count = { operations: 0, unknown: 0 }
  let titles = 0

  const newContent = (random: Random): Content => ({
    title: `title ${titles++}`,
    description: random.pick([null, 'described']),
    completed: random.pick([true, false]),
  })

  /** Sends a request to one of the servers; undefined where nobody knows what became of it. */
  async function send(method: string, path: string, body?: unknown): Promise<Answer | undefined> {
    const choices = origins()
    const origin = choices[Math.floor(Math.random() * choices.length)]
    try {
      const response = await fetch(origin + path, {
        method,
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        body: body === undefined ? null : JSON.stringify(body),
      })
      const text = await response.text()
      if (response.status === 503) return undefined
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
    } catch {
      // Refused, reset, or cut in the middle of the answer.
      return undefined
    }
  }

  /** A revision is the number of one write of the user: whoever sees it again sees the same task in the same state. */
  function see({ id, title, description, completed, revision }: Stored): Content {
    const content = { title, description, completed }
    const seen = `${id} ${JSON.stringify(content)}`
    const before = revisions.get(revision)
    if (before !== undefined && before !== seen) findings.push(`revision ${revision} is of ${before} and of ${seen}`)
    revisions.set(revision, seen)
    return content
  }

  function toOutcome(what: string, answer: Answer | undefined): Outcome {
    if (answer === undefined) return undefined
    const { status, body } = answer
    if (status === 200 || status === 201) return { status, content: see(body) }
    if (status === 204 || status === 404 || status === 409) return { status }
    findings.push(`${what} was answered ${status}: ${JSON.stringify(body)}`)
    return undefined
  }

  function record(id: string, call: Call, outcome: Outcome, start: number): void {
    count.operations += 1
    const end = performance.now()
    if (outcome === undefined) count.unknown += 1
    // A read that was not answered says nothing.
    if (outcome === undefined && call.kind === 'read') return
    const history = histories.get(id) ?? []
    history.push({ call, outcome, start, end: outcome === undefined ? end + UNKNOWN_LIFETIME : end })
    histories.set(id, history)
  }

  const request = (id: string, call: Call) => {
    const path = `${tasksPath}/${id}`
    switch (call.kind) {
      case 'create':
        return send('POST', tasksPath, { id, ...call.content })
      case 'read':
        return send('GET', path)
      case 'replace':
        return send('PUT', path, call.content)
      case 'retitle':
        return send('PATCH', path, { title: call.title })
      case 'toggle':
        return send('PATCH', `${path}/complete`)
      case 'delete':
        return send('DELETE', path)
    }
  }

  async function perform(id: string, call: Call): Promise<Outcome> {
    const start = performance.now()
    const outcome: Outcome = lies.claims(call) ? claim(call) : toOutcome(call.kind, await request(id, call))
    record(id, call, outcome, start)
    return outcome
  }

  const claim = (call: Call): Outcome =>
    call.kind === 'replace' ? { status: 200, content: call.content } : { status: 204 }

  async function list(): Promise<boolean> {
    const start = performance.now()
    // What exists before and after is looked for; what comes and goes meanwhile is not the list's to tell.
    const asked = [...current]
    const answer = await send('GET', `${tasksPath}?limit=200`)
    if (answer === undefined) return false
    if (answer.status !== 200) {
      findings.push(`list was answered ${answer.status}`)
      return true
    }
    const listed = answer.body.data as Stored[]
    const ids = listed.map(({ id }) => id)
    if (new Set(ids).size !== ids.length) findings.push(`a list has an id twice: ${ids.join(' ')}`)
    for (const stored of listed) {
      if (attempted.has(stored.id)) continue
      findings.push(`a list has a task that nobody created: ${stored.id} ${stored.title}`)
    }
    for (const id of asked) {
      const stored = listed.find(task => task.id === id)
      record(
        id,
        { kind: 'read' },
        stored === undefined ? { status: 404 } : { status: 200, content: see(stored) },
        start,
      )
    }
    return true
  }

  async function step(random: Random): Promise<boolean> {
    const slot = random.below(slots)
    const id = current[slot] as string
    const kind = random.pick(KINDS)
    if (kind === 'list') return list()
    if (!created.has(id)) {
      attempted.add(id)
      created.add(id)
      const outcome = await perform(id, { kind: 'create', content: newContent(random) })
      // As a client would: the same id again, which must not make a second task.
      if (outcome === undefined) created.delete(id)
      return outcome !== undefined
    }
    // Deletions end a history: they are rarer than the rest.
    if (kind === 'delete' && random.below(5) > 0) return true
    if (kind === 'delete') current[slot] = randomUUID()
    const call: Call =
      kind === 'replace'
        ? { kind, content: newContent(random) }
        : kind === 'retitle'
          ? { kind, title: newContent(random).title }
          : { kind }
    return (await perform(id, call)) !== undefined
  }

  return {
    histories,
    findings,
    count,
    async work(random, signal) {
      while (!signal.aborted) {
        const answered = await step(random)
        await sleep(answered ? random.below(10) : BACK_OFF + random.below(BACK_OFF))
      }
    },
    closeUnknown() {
      const now = performance.now()
      for (const operation of [...histories.values()].flat()) operation.end = Math.min(operation.end, now)
    },
    async readAll() {
      for (const id of histories.keys()) {
        if ((await perform(id, { kind: 'read' })) === undefined) findings.push(`${id} cannot be read in the end`)
      }
      if (!(await list())) findings.push('the list cannot be read in the end')
    },
  }
}
