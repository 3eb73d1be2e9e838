/** Tasks that can be edited offline: edits are queued in a file, and `sync` exchanges them with the server. */
import { randomUUID } from 'node:crypto'
import { type Changes, type Connection, connect } from './api.ts'
import { applied, byPosition, type LocalTask, localOf } from './local.ts'
import { positionBetween } from './position.ts'
import { createPull } from './pull.ts'
import { createPush } from './push.ts'
import { type Edit, openStorage, type Refused } from './storage.ts'

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

  function enqueue(id: string, edit: Edit): Promise<void> {
    const isFirst = state.outbox.every(write => write.id !== id)
    const revision = isFirst ? state.server[id]?.revision : undefined
    state.outbox.push({ ...edit, id, key: randomUUID(), ...(revision !== undefined && { revision }) })
    return save()
  }

  /** Returns the server's tasks with all pending writes applied, in the user's order. */
  function list(): LocalTask[] {
    const tasks = new Map(Object.values(state.server).map(task => [task.id, localOf(task)]))
    for (const write of state.outbox) {
      const task = applied(tasks.get(write.id), write)
      if (task === undefined) tasks.delete(write.id)
      else tasks.set(write.id, task)
    }
    return [...tasks.values()].sort(byPosition)
  }

  /** Tags have operations of their own, in whose paths these would be steps and not tags. */
  async function enqueueTag(kind: 'addTag' | 'removeTag', id: string, tag: string): Promise<void> {
    if (['', '.', '..'].includes(tag)) throw new Error(`"${tag}" cannot be a tag here.`)
    await enqueue(id, { kind, tag })
  }

  return {
    list,
    /** Returns the number of writes that the server has yet to confirm. */
    pending: () => state.outbox.length,
    /** Returns the writes that the server will never accept. */
    refused: (): readonly Refused[] => state.refused,
    /** Adds a task at the end. */
    async add(title: string): Promise<string> {
      const id = randomUUID()
      const position = positionBetween(list().at(-1)?.position ?? null, null)
      await enqueue(id, { kind: 'create', changes: { title, position } })
      return id
    },
    /** @param changes only what the user has changed, also within a date: everything else may change elsewhere */
    update: (id: string, changes: Omit<Changes, 'position'>) => enqueue(id, { kind: 'update', changes }),
    addTag: (id: string, tag: string) => enqueueTag('addTag', id, tag),
    removeTag: (id: string, tag: string) => enqueueTag('removeTag', id, tag),
    /** Moves a task behind another one; null moves it to the start. */
    async move(id: string, after: string | null): Promise<void> {
      const others = list().filter(task => task.id !== id)
      const previous = others.find(task => task.id === after)
      if (after !== null && previous === undefined) throw new Error(`There is no other task ${after}.`)
      const before = previous?.position ?? null
      // Nothing is between equal positions: the task goes behind all that have this one.
      const next = others.find(({ position }) => before === null || position > before)
      const position = positionBetween(before, next?.position ?? null)
      await enqueue(id, { kind: 'update', changes: { position } })
    },
    remove: (id: string) => enqueue(id, { kind: 'delete' }),
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
