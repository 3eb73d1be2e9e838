/** A reverse proxy as balancers are: it sends each request to one of the servers whose health is 200, and tries none twice. */
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from './service.ts'

/** How often health is asked for, in milliseconds. */
const PROBE_INTERVAL = 50

export async function startProxy(test: Test, origins: string[]): Promise<string> {
  const agent = new Agent({ keepAlive: true })
  let healthy = origins
  let next = 0
  const server = createServer((incoming, outgoing) => {
    const origin = healthy[next++ % healthy.length]
    const options = { agent, method: incoming.method, headers: incoming.headers }
    const forwarded = request(`${origin}${incoming.url}`, options, answer => {
      outgoing.writeHead(answer.statusCode as number, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on('error', () => outgoing.writeHead(502).end())
    incoming.pipe(forwarded)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const closing = new AbortController()
  const isHealthy = (origin: string) =>
    fetch(`${origin}/health`).then(
      ({ status }) => status === 200,
      () => false,
    )
  const probe = async () => {
    while (!closing.signal.aborted) {
      const answers = await Promise.all(origins.map(isHealthy))
      healthy = origins.filter((_, index) => answers[index])
      await sleep(PROBE_INTERVAL, undefined, { signal: closing.signal }).catch(() => undefined)
    }
  }
  const probing = probe()
  test.teardown(async () => {
    closing.abort()
    await probing
    server.closeAllConnections()
    server.close()
    agent.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
