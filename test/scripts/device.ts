/** A device with the example client, and networks that fail. */
import type { Test } from 'tap'
import { localOf } from '../../scripts/examples/offline-sync/local.ts'
import { type OfflineTasks, openOfflineTasks } from '../../scripts/examples/offline-sync/tasks.ts'
import type { User } from '../../scripts/support/client.ts'
import { temporaryFolder } from '../../scripts/support/folder.ts'

export type Network = (request: Request) => Promise<Response>

export const noNetwork: Network = async () => {
  throw new TypeError('fetch failed')
}

/** Each request arrives, but the response to its first attempt is lost. */
export function losingAnswers(): Network {
  const seen = new Set<string>()
  return async request => {
    const what = `${request.method} ${request.url} ${request.headers.get('idempotency-key')}`
    const response = await fetch(request)
    if (seen.has(what)) return response
    seen.add(what)
    await response.arrayBuffer()
    throw new TypeError('fetch failed')
  }
}

/** Creates a device of the user's; `network` can be replaced, `requests` records what was sent. */
export async function createDevice(url: string, user: string) {
  const folder = await temporaryFolder()
  const file = `${folder.path}/tasks.json`
  const device = { network: fetch as Network, requests: [] as string[] }
  const open = () =>
    openOfflineTasks({
      url,
      user,
      file,
      fetch: request => {
        device.requests.push(`${request.method} ${new URL(request.url).search}`)
        return device.network(request)
      },
    })
  return Object.assign(device, { open, [Symbol.asyncDispose]: folder[Symbol.asyncDispose] })
}

/** The user's tasks on the server, by title. */
export const live = async (user: User) => (await user.listTasks({ query: { sort: 'title.asc' } })).data

export const titles = (tasks: { title: string }[]) => tasks.map(({ title }) => title).sort()

/** Asserts that the client and the server have the same tasks, in the same order. */
export async function assertSynchronized(test: Pick<Test, 'same'>, tasks: OfflineTasks, user: User): Promise<void> {
  const { data } = await user.listTasks({ query: { sort: 'position.asc' } })
  test.same(tasks.list(), data.map(localOf))
}
