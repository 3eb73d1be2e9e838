/** Sends one HTTP request at its time and returns its outcome. */
import { type Agent, request } from 'node:http'

export interface Request {
  method: 'GET' | 'POST'
  path: string
  token: string
  /** The Idempotency-Key. */
  key?: string
  /** JSON. */
  body?: string
}

/**
 * Resolves with the status once the whole response has arrived; otherwise with `timeout` (if `signal` aborted) or an
 * error code such as `ECONNRESET`. Callers count these: dropped connections are a result, not a reason to stop.
 */
export function send(origin: string, agent: Agent, sent: Request, signal?: AbortSignal): Promise<string> {
  const { method, path, token, key, body } = sent
  const headers = {
    authorization: `Bearer ${token}`,
    ...(key !== undefined && { 'idempotency-key': key }),
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
  }
  return new Promise(resolve => {
    const fail = (error: NodeJS.ErrnoException) => resolve(signal?.aborted ? 'timeout' : (error.code ?? error.name))
    request(origin + path, { method, agent, headers, ...(signal && { signal }) }, response => {
      response
        .on('end', () => resolve(`${response.statusCode}`))
        .on('error', fail)
        .resume()
    })
      .on('error', fail)
      .end(body)
  })
}

/**
 * Waits until `performance.now()` reaches `time`. Timers fire up to a millisecond late, as long as a whole request may
 * take, so the last millisecond is spent polling the event loop, which keeps reading responses meanwhile.
 */
export async function until(time: number): Promise<void> {
  const left = time - performance.now()
  if (left > 1) await new Promise(resolve => setTimeout(resolve, left - 1))
  while (performance.now() < time) await new Promise(resolve => setImmediate(resolve))
}
