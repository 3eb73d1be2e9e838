/**
 * A client that works offline, in one file, on openapi-fetch and the generated types. Edits go to a file first; `sync` sends
 * them, each exactly once whatever the network does, and then learns what others have changed.
 *
 *     node scripts/examples/offline-sync.ts [--url ...] [--user alice] [--token ...] [--file tasks.json] list | sync
 *       | add TITLE | rename ID TITLE | complete ID | reopen ID | remove ID
 */
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import createClient from 'openapi-fetch'
import type { components, paths } from '../../src/contract/openapi.gen.ts'

type Task = components['schemas']['Task']
type Problem = components['schemas']['Problem']

/** What openapi-fetch returns of any operation. */
interface Answer<Data> {
  data?: Data | undefined
  error?: Problem | undefined
  response: Response
}

/** What the user sees of a task. */
export type LocalTask = Pick<Task, 'id' | 'title' | 'description' | 'completed'>

/** A write that the server has yet to confirm. */
interface Write {
  kind: 'create' | 'update' | 'delete'
  id: string
  changes: Partial<Omit<LocalTask, 'id'>>
  /** Sent with every attempt: however many arrive, the server does the write once. */
  key: string
  /**
   * What it was made to: the task that was known then, or the one that the write before it leaves. Fixed before the first
   * attempt, for the same key has to go with the same request.
   */
  revision?: number
}

/** A write that the server will never take, and why. */
export interface Refused {
  write: Write
  reason: string
}

/** All that has to survive the end of the program. */
interface State {
  /** The tasks as the server last told them. */
  server: Record<string, Task>
  /** In the order in which they were made. */
  outbox: Write[]
  refused: Refused[]
  /** A snapshot that is not whole yet; until then the older tasks are shown. */
  snapshot?: Record<string, Task>
  /** From where on changes are asked for. */
  since?: string
}

export interface Options {
  url: string
  user: string
  file: string
  token?: string | undefined
  fetch?: (request: Request) => Promise<Response>
}

const ATTEMPTS = 5
/** Milliseconds before the second attempt, doubled before each further one. */
const FIRST_PAUSE = 100

/** The server cannot be reached, or asks for patience: nothing is lost, and the next `sync` goes on. */
export class Offline extends Error {
  override readonly name = 'Offline'
}

export type OfflineTasks = Awaited<ReturnType<typeof openOfflineTasks>>

/** Opens the tasks in `file`, which nobody else may use at the same time. */
export async function openOfflineTasks({ url, user, file, token, fetch }: Options) {
  const state = await readState(file)
  const api = createClient<paths>({
    baseUrl: url,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    ...(fetch !== undefined && { fetch }),
  })

  let saved = Promise.resolve()
  /** One after another; a crash leaves the old file or the new one. */
  function save(): Promise<void> {
    saved = saved
      // Whoever asked for that one has been told.
      .catch(() => undefined)
      .then(() => writeFile(`${file}.new`, JSON.stringify(state, null, 2)))
      .then(() => rename(`${file}.new`, file))
    return saved
  }

  function enqueue(kind: Write['kind'], id: string, changes: Write['changes'] = {}): Promise<void> {
    const isFirst = state.outbox.every(write => write.id !== id)
    const revision = isFirst ? state.server[id]?.revision : undefined
    state.outbox.push({ kind, id, changes, key: randomUUID(), ...(revision !== undefined && { revision }) })
    return save()
  }

  /** The server's tasks with everything that it does not know yet. */
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

  function attempt({ kind, id, changes, key, revision }: Write): Promise<Answer<Task>> {
    const headers = { 'Idempotency-Key': key }
    if (kind === 'create') {
      const body = { id, title: '', completed: false, ...changes }
      return api.POST('/api/{user_id}/tasks', { params: { path: { user_id: user }, header: headers }, body })
    }
    const params = { path: { user_id: user, id }, header: { ...headers, 'If-Match': `"${revision}"` } }
    return kind === 'update'
      ? api.PATCH('/api/{user_id}/tasks/{id}', { params, body: changes })
      : api.DELETE('/api/{user_id}/tasks/{id}', { params })
  }

  /** Sends the oldest write, and takes it out of the outbox once the server has answered it. */
  async function push(write: Write): Promise<void> {
    if (write.kind !== 'create' && write.revision === undefined) {
      const known = state.server[write.id] ?? (await refresh(write.id))
      if (known === undefined) return drop(write)
      write.revision = known.revision
      await save()
    }
    const { data, error, response } = await patiently(() => attempt(write))
    if (response.ok) {
      if (data === undefined) delete state.server[write.id]
      else state.server[write.id] = data
      return drop(write)
    }
    switch (error?.code) {
      case 'precondition_failed':
        return rebase(write)
      case 'task_not_found':
        delete state.server[write.id]
        return drop(write)
      case 'id_taken':
      case 'id_in_trash':
        // Nobody else makes this id: an attempt of long ago has created it, and its key is kept no longer.
        await refresh(write.id)
        return drop(write)
      case 'validation_failed':
        return setAside(write, describe(response, error))
      default:
        // A token that is no longer valid, a wrong URL, a proxy: nothing is known of the write, so it stays.
        throw new Error(describe(response, error))
    }
  }

  /** The task as it is now; undefined where there is none. */
  async function refresh(id: string): Promise<Task | undefined> {
    const params = { path: { user_id: user, id } }
    const { data, error, response } = await patiently(() => api.GET('/api/{user_id}/tasks/{id}', { params }))
    if (data === undefined && error?.code !== 'task_not_found') throw new Error(describe(response, error))
    if (data === undefined) delete state.server[id]
    else state.server[id] = data
    return data
  }

  function drop(write: Write): Promise<void> {
    state.outbox.splice(state.outbox.indexOf(write), 1)
    return save()
  }

  /** What builds on a refused write is refused with it; all else goes on. */
  function setAside({ id }: Write, reason: string): Promise<void> {
    state.refused.push(...state.outbox.filter(write => write.id === id).map(write => ({ write, reason })))
    state.outbox = state.outbox.filter(write => write.id !== id)
    return save()
  }

  /**
   * Somebody else has changed the task since. Fields that were edited here win, all others are theirs; and an edit of theirs
   * wins over a deletion here. This is another request, so it gets another key.
   */
  async function rebase(write: Write): Promise<void> {
    const data = await refresh(write.id)
    if (data === undefined || write.kind === 'delete') return drop(write)
    write.key = randomUUID()
    write.revision = data.revision
    state.outbox = state.outbox.filter(({ kind, id }) => kind !== 'delete' || id !== write.id)
    return save()
  }

  /** Learns what has changed, a page at a time; each is kept before the next one is asked for. */
  async function pull(): Promise<void> {
    for (let more = true; more; await save()) {
      const query = { limit: 500, ...(state.since !== undefined && { since: state.since }) }
      const params = { path: { user_id: user }, query }
      const { data, error, response } = await patiently(() => api.GET('/api/{user_id}/changes', { params }))
      if (error?.code === 'sync_token_expired') {
        // Away for too long to be told every deletion: all anew.
        delete state.since
        continue
      }
      if (data === undefined) throw new Error(describe(response, error))
      if (state.since === undefined) state.snapshot = {}
      const tasks = state.snapshot ?? state.server
      for (const { id, task } of data.data) {
        if (task === null) delete tasks[id]
        else tasks[id] = task
      }
      state.since = data.next
      more = data.has_more
      if (more) continue
      state.server = tasks
      delete state.snapshot
    }
  }

  return {
    list,
    /** How many writes the server has yet to confirm. */
    pending: () => state.outbox.length,
    /** What it will never take. */
    refused: (): readonly Refused[] => state.refused,
    async add(title: string): Promise<string> {
      const id = randomUUID()
      await enqueue('create', id, { title })
      return id
    },
    update: (id: string, changes: Write['changes']) => enqueue('update', id, changes),
    remove: (id: string) => enqueue('delete', id),
    /** Sends what is pending and learns what is new. @throws Offline where the server does not answer; call it again then */
    async sync(): Promise<void> {
      for (let write = state.outbox[0]; write !== undefined; write = state.outbox[0]) await push(write)
      await pull()
    },
  }
}

async function readState(file: string): Promise<State> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { server: {}, outbox: [], refused: [] }
    throw error
  }
}

/** Repeats a request that nobody answered, or that shall be repeated: too many requests, a server in trouble, a key at work. */
async function patiently<Data>(request: () => Promise<Answer<Data>>): Promise<Answer<Data>> {
  let trouble = ''
  for (let count = 0; count < ATTEMPTS; count += 1) {
    let pause = FIRST_PAUSE * 2 ** count
    try {
      const answer = await request()
      const { status, headers } = answer.response
      const isTemporary =
        status === 408 || status === 429 || status >= 500 || answer.error?.code === 'idempotency_key_in_use'
      if (!isTemporary) return answer
      trouble = `the server answers ${status}`
      pause = Math.max(pause, readRetryAfter(headers.get('retry-after')))
    } catch (error) {
      // fetch throws where no answer came; whether the request arrived nobody knows.
      trouble = (error as Error).message
    }
    if (count < ATTEMPTS - 1) await sleep(pause)
  }
  throw new Offline(trouble)
}

/** Milliseconds; the header has seconds or a date (RFC 9110, 10.2.3). */
const readRetryAfter = (text: string | null) =>
  (/^[0-9]+$/.test(text ?? '') ? Number(text) * 1000 : Date.parse(text ?? '') - Date.now()) || 0

const describe = ({ status }: Response, problem: Problem | undefined) =>
  problem?.code === undefined ? `The server answers ${status}.` : `${problem.code}: ${problem.detail}`

/** Keeps other programs from the file until the returned function is called; one that crashed keeps nobody. */
async function lock(file: string): Promise<() => void> {
  const name = `${file}.lock`
  try {
    await writeFile(name, `${process.pid}`, { flag: 'wx' })
    return () => rmSync(name, { force: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const owner = Number(await readFile(name, 'utf8'))
    if (isRunning(owner)) throw new Error(`${file} is in use by process ${owner}.`, { cause: error })
    await rm(name, { force: true })
    return lock(file)
  }
}

function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:3000' },
      user: { type: 'string', default: 'alice' },
      file: { type: 'string', default: 'tasks.json' },
      token: { type: 'string' },
    },
  })
  const unlock = await lock(values.file)
  process.on('exit', unlock)
  const tasks = await openOfflineTasks(values)
  const [command, ...words] = positionals
  const [id = ''] = words
  const commands: Record<string, () => unknown> = {
    list: () => undefined,
    sync: () => tasks.sync(),
    add: () => tasks.add(words.join(' ')),
    rename: () => tasks.update(id, { title: words.slice(1).join(' ') }),
    complete: () => tasks.update(id, { completed: true }),
    reopen: () => tasks.update(id, { completed: false }),
    remove: () => tasks.remove(id),
  }
  const run = commands[command ?? 'list']
  if (run === undefined) {
    console.error(`There is no ${command}: use ${Object.keys(commands).join(', ')}.`)
    process.exit(1)
  }
  try {
    await run()
  } catch (error) {
    console.error(error instanceof Offline ? `Offline (${error.message}); nothing is lost.` : (error as Error).message)
    process.exitCode = 1
  }
  for (const task of tasks.list()) console.log(`${task.completed ? '[x]' : '[ ]'} ${task.id} ${task.title}`)
  if (tasks.pending() > 0) console.log(`${tasks.pending()} to be sent`)
  for (const { write, reason } of tasks.refused()) console.log(`refused: ${write.kind} ${write.id} (${reason})`)
}
