/** A reverse proxy that, like a load balancer, sends each request to one of the healthy servers and never retries. */
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds between two health checks. */
const PROBE_INTERVAL = 50

export interface LoadBalancer extends AsyncDisposable {
  origin: string
}

/** @param origins of the servers, which are assumed to be healthy at first */
export async function startLoadBalancer(origins: string[]): Promise<LoadBalancer> {
  const agent = new Agent({ keepAlive: true })
  let healthy = origins
  let next = 0
  const server = createServer((incoming, outgoing) => {
    const origin = healthy[next++ % healthy.length]
    const options = { agent, method: incoming.method, headers: incoming.headers }
    const forwarded = request(`${origin}${incoming.url}`, options, response => {
      outgoing.writeHead(response.statusCode as number, response.headers)
      response.pipe(outgoing)
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
      const results = await Promise.all(origins.map(isHealthy))
      healthy = origins.filter((_, index) => results[index])
      await sleep(PROBE_INTERVAL, undefined, { signal: closing.signal }).catch(() => undefined)
    }
  }
  const probing = probe()
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      closing.abort()
      await probing
      server.closeAllConnections()
      server.close()
      agent.destroy()
    },
  }
}
