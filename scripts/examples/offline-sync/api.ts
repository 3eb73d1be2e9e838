/** The operations that the client uses, with the types generated from the contract. */
import type { components, operations } from '../../../src/contract/openapi.gen.ts'

type Schemas = components['schemas']
export type Task = Schemas['Task']
/** A merge patch. Tags are absent: a new list of them would undo what others have added and removed. */
export type Changes = Omit<Schemas['TaskUpdate'], 'tags'>
type Problem = Schemas['Problem']
type ChangesQuery = NonNullable<operations['listChanges']['parameters']['query']>

/** A response: its content, or the problem. */
export interface Result<Data> {
  data?: Data | undefined
  error?: Problem | undefined
  response: Response
}

export interface Connection {
  url: string
  token?: string | undefined
  fetch?: (request: Request) => Promise<Response>
}

/** Headers of a write: its key and, if it must not overwrite a later revision, the revision that it is meant for. */
export type WriteHeaders = { 'Idempotency-Key': string; 'If-Match'?: string }

export type Api = ReturnType<typeof connect>

/** The operations for one user. Each throws if no response arrives. */
export function connect(user: string, { url, token, fetch: send = fetch }: Connection) {
  const path = `/api/${encodeURIComponent(user)}`

  async function call<Data>(method: string, path: string, headers = {}, body?: unknown): Promise<Result<Data>> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const request = new Request(`${url.replace(/\/$/, '')}${path}`, {
      method,
      headers: {
        ...headers,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': type }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const response = await send(request)
    const text = await response.text()
    if (response.ok) return { response, ...(text !== '' && { data: JSON.parse(text) }) }
    // The error of a proxy need not be a problem.
    const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json')
    return { response, ...(isProblem && { error: JSON.parse(text) }) }
  }

  return {
    listChanges: ({ limit, sync_token }: ChangesQuery) => {
      const query = new URLSearchParams({ limit: `${limit}`, ...(sync_token !== undefined && { sync_token }) })
      return call<Schemas['ChangePage']>('GET', `${path}/changes?${query}`)
    },
    getTask: (id: string) => call<Task>('GET', `${path}/tasks/${id}`),
    createTask: (body: Schemas['TaskCreate'], headers: WriteHeaders) =>
      call<Task>('POST', `${path}/tasks`, headers, body),
    updateTask: (id: string, body: Changes, headers: WriteHeaders) =>
      call<Task>('PATCH', `${path}/tasks/${id}`, headers, body),
    addTaskTag: (id: string, tag: string, headers: WriteHeaders) =>
      call<Task>('PUT', `${path}/tasks/${id}/tags/${encodeURIComponent(tag)}`, headers),
    removeTaskTag: (id: string, tag: string, headers: WriteHeaders) =>
      call<Task>('DELETE', `${path}/tasks/${id}/tags/${encodeURIComponent(tag)}`, headers),
    deleteTask: (id: string, headers: WriteHeaders) => call<Task>('DELETE', `${path}/tasks/${id}`, headers),
  }
}
