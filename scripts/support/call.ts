/** Sends requests to a service, wherever it runs; a response that violates the contract throws. */
import { AssertionError } from 'node:assert'
import { type Answer, violations } from './contract.ts'
import { exchange } from './socket.ts'

/** For raw requests; a body that is not a string goes out as JSON. */
export type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>

export const createCall =
  (origin: string): Call =>
  async (method, path, body, own = {}) => {
    const isText = body === undefined || typeof body === 'string'
    const headers = new Headers(own)
    if (!isText && !headers.has('content-type')) headers.set('content-type', 'application/json')
    const response = await fetch(origin + path, {
      method,
      headers,
      body: body === undefined ? null : isText ? body : JSON.stringify(body),
      redirect: 'manual',
    })
    return checked(method, path, response.status, response.headers, await response.text())
  }

/** Sends bytes as they are and checks what comes back as the response to `method` and `path`. */
export async function sendBytes(port: number, method: string, path: string, bytes: string): Promise<Answer> {
  const { status, headers, text } = await exchange(port, bytes)
  return checked(method, path, status, headers, text)
}

function checked(method: string, path: string, status: number, headers: Headers, text: string): Answer {
  const isJson = headers.get('content-type')?.includes('json') && text !== ''
  const answer = { status, headers, text, body: isJson ? JSON.parse(text) : undefined }
  const found = violations(method, path, answer)
  if (found.length === 0) return answer
  throw new AssertionError({ message: [`${method} ${path}: ${status} violates the contract`, ...found].join('\n- ') })
}
