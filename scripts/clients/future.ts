/**
 * A proxy in front of the service that responds like a later version of it: every task and validation error has a field
 * more, the 404 has a code that this version does not know, and each page of changes and each list of validation errors
 * starts with an entry whose kind, code and part of the request it does not know.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

const ADDED = 'added_later'

/** Headers that concern one connection, or the bytes of a body that is written anew. */
const HOP = [
  ...['connection', 'http2-settings', 'keep-alive', 'transfer-encoding', 'upgrade'],
  ...['content-encoding', 'content-length', 'host'],
]

export interface Future extends AsyncDisposable {
  origin: string
}

type Json = Record<string, unknown>

const isTask = (value: unknown) =>
  typeof value === 'object' && value !== null && 'title' in value && 'revision' in value

/** A response as a later version would send it. */
function later(path: string, status: number, body: string): string {
  if (body === '') return body
  const value: Json = JSON.parse(body, (_, part) => (isTask(part) ? { ...part, [ADDED]: { nested: [1] } } : part))
  if (status === 404) value.code = ADDED
  if (status === 200 && path.endsWith('/changes')) {
    const change = { kind: ADDED, id: randomUUID(), revision: 1, deleted: false, task: null, [ADDED]: true }
    value.data = [change, ...(value.data as Json[])]
  }
  if (Array.isArray(value.errors)) {
    const error = { in: ADDED, code: ADDED, detail: 'breaks a rule that was added later' }
    value.errors = [error, ...(value.errors as Json[])].map(entry => ({ ...entry, [ADDED]: { nested: [1] } }))
  }
  return JSON.stringify(value)
}

async function pass(origin: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const sent = Object.entries(request.headersDistinct).filter(([name]) => !HOP.includes(name))
  const body = await buffer(request)
  const url = new URL(request.url ?? '/', origin)
  const received = await fetch(url, {
    method: request.method ?? 'GET',
    headers: sent.flatMap(([name, values = []]) => values.map((value): [string, string] => [name, value])),
    ...(body.length > 0 && { body }),
  })
  const text = later(url.pathname, received.status, await received.text())
  response.writeHead(received.status, [...received.headers].filter(([name]) => !HOP.includes(name)).flat())
  response.end(text)
}

/** Starts the proxy on a free port of this machine. */
export async function startFuture(origin: string): Promise<Future> {
  const server = createServer((request, response) => {
    pass(origin, request, response).catch((error: Error) => response.writeHead(502).end(error.message))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}
