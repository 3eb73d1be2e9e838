/** A request whose duration is measured. */
import { type Agent, request } from 'node:http'
import { buffer } from 'node:stream/consumers'

export interface TimedRequest {
  method: string
  path: string
  /** JSON. */
  body?: string
}

/**
 * Returns the milliseconds until the whole response has arrived.
 * @throws if it is not a success
 */
export async function time(agent: Agent, origin: string, { method, path, body }: TimedRequest): Promise<number> {
  const start = performance.now()
  const headers = body === undefined ? {} : { 'content-type': 'application/json' }
  const text = await new Promise<string>((resolve, reject) => {
    const sent = request(origin + path, { method, agent, headers }, response => {
      buffer(response).then(bytes => {
        if (response.statusCode === 200 || response.statusCode === 201) resolve(bytes.toString())
        else reject(new Error(`${method} ${path} returned ${response.statusCode}: ${bytes}`))
      }, reject)
    })
    sent.on('error', reject).end(body)
  })
  const duration = performance.now() - start
  if (text === '') throw new Error(`${method} ${path} returned no body`)
  return duration
}
