/** A client that follows the change feed and must end up with exactly the service's tasks. */
import type { History, Stored } from './history.ts'
import { backOff, type Requests } from './requests.ts'

interface Change {
  id: string
  revision: number
  task: Stored | null
}

export interface Follower {
  /** Follows until `signal` aborts. */
  follow(signal: AbortSignal): Promise<void>
  /** Fetches the rest and compares with all live tasks. */
  finish(live: Stored[]): Promise<void>
}

export function createFollower(requests: Requests, history: History, user: string): Follower {
  const { findings } = history
  const known = new Map<string, Stored>()
  let token: string | undefined
  let last = 0

  /** Fetches one page; returns whether there may be more. */
  async function pull(): Promise<boolean> {
    const start = performance.now()
    const query = new URLSearchParams({ limit: '7', ...(token !== undefined && { sync_token: token }) })
    const answer = await requests.send({ method: 'GET', path: `/api/${user}/changes?${query}` })
    if (answer === undefined) {
      await backOff()
      return true
    }
    if (answer.status !== 200) {
      findings.push(`changes returned ${answer.status}: ${JSON.stringify(answer.body)}`)
      return false
    }
    for (const { id, revision, task } of answer.body.data as Change[]) {
      if (revision <= last) findings.push(`the change ${revision} comes after ${last}`)
      last = revision
      history.record(id, { kind: 'read' }, task === null ? { status: 404 } : history.see(200, task), start)
      if (task === null) known.delete(id)
      else known.set(id, task)
    }
    token = answer.body.next_sync_token
    return answer.body.has_more
  }

  return {
    async follow(signal) {
      while (!signal.aborted) {
        if (!(await pull())) await new Promise(setImmediate)
      }
    },
    async finish(live) {
      while (await pull());
      const ids = new Set([...known.keys(), ...live.map(({ id }) => id)])
      for (const id of ids) {
        const [here, there] = [known.get(id), live.find(task => task.id === id)].map(task => JSON.stringify(task))
        if (here !== there) findings.push(`the follower has ${here}, the service has ${there}`)
      }
    },
  }
}
