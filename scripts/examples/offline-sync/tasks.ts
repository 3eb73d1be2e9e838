/** Tasks that can be edited offline: edits are queued in a file, and `sync` exchanges them with the server. */
import { randomUUID } from 'node:crypto'
import { type Connection, connect } from './api.ts'
import { createPull } from './pull.ts'
import { createPush } from './push.ts'
import { type LocalTask, openStorage, type Refused, type Write } from './storage.ts'

export interface Options extends Connection {
  user: string
  file: string
}

export type OfflineTasks = Awaited<ReturnType<typeof openOfflineTasks>>

/** Opens the tasks in `file`, which no other program may use at the same time. */
export async function openOfflineTasks({ user, file, ...connection }: Options) {
  const storage = await openStorage(file)
  const { state, save } = storage
  const api = connect(user, connection)
  const push = createPush(api, storage)
  const pull = createPull(api, storage)

  function enqueue(kind: Write['kind'], id: string, changes: Write['changes'] = {}): Promise<void> {
    const isFirst = state.outbox.every(write => write.id !== id)
    const revision = isFirst ? state.server[id]?.revision : undefined
    state.outbox.push({ kind, id, changes, key: randomUUID(), ...(revision !== undefined && { revision }) })
    return save()
  }

  /** Returns the server's tasks with all pending writes applied. */
  function list(): LocalTask[] {
    const tasks = new Map<string, LocalTask>(
      Object.values(state.server).map(({ id, title, description, completed }) => [
        id,
        { id, title, description, completed },
      ]),
    )
    for (const { kind, id, changes } of state.outbox) {
      const before = kind === 'create' ? { id, title: '', description: null, completed: false } : tasks.get(id)
      if (kind === 'delete') tasks.delete(id)
      else if (before !== undefined) tasks.set(id, { ...before, ...changes })
    }
    return [...tasks.values()]
  }

  return {
    list,
    /** Returns the number of writes that the server has yet to confirm. */
    pending: () => state.outbox.length,
    /** Returns the writes that the server will never accept. */
    refused: (): readonly Refused[] => state.refused,
    async add(title: string): Promise<string> {
      const id = randomUUID()
      await enqueue('create', id, { title })
      return id
    },
    update: (id: string, changes: Write['changes']) => enqueue('update', id, changes),
    remove: (id: string) => enqueue('delete', id),
    /**
     * Sends the pending writes, then fetches changes.
     * @throws Offline if the server is unavailable; call it again later
     */
    async sync(): Promise<void> {
      for (let write = state.outbox[0]; write !== undefined; write = state.outbox[0]) await push(write)
      await pull()
    },
  }
}
