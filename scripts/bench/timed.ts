/** Requests one after another, each timed, and databases to send them to. */
import { type Agent, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import pg from 'pg'

export interface TimedAsk {
  method: string
  path: string
  /** JSON. */
  body?: string
}

/**
 * Milliseconds until the whole answer is there.
 * @throws where it is not a success
 */
export async function time(agent: Agent, origin: string, { method, path, body }: TimedAsk): Promise<number> {
  const start = performance.now()
  const headers = body === undefined ? {} : { 'content-type': 'application/json' }
  const text = await new Promise<string>((resolve, reject) => {
    const asking = request(origin + path, { method, agent, headers }, response => {
      buffer(response).then(bytes => {
        if (response.statusCode === 200 || response.statusCode === 201) resolve(bytes.toString())
        else reject(new Error(`${method} ${path} was answered ${response.statusCode}: ${bytes}`))
      }, reject)
    })
    asking.on('error', reject).end(body)
  })
  const duration = performance.now() - start
  if (text === '') throw new Error(`${method} ${path} was answered with nothing`)
  return duration
}

/** Makes a database beside that of `url` and returns its own. */
export async function createDatabase(url: string, name: string): Promise<string> {
  await using client = await connect(url)
  await client.query(`create database ${name}`)
  return url.replace(/\/[^/?]*(\?|$)/, `/${name}$1`)
}

export async function connect(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}
