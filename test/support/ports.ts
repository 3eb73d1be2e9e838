/** Ports that are in use. */
import { once } from 'node:events'
import { createServer } from 'node:net'

export interface OccupiedPort extends AsyncDisposable {
  port: number
}

/** Listens on a free port of 127.0.0.1 until it goes out of scope. */
export async function occupyPort(): Promise<OccupiedPort> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return { port, [Symbol.asyncDispose]: async () => void server.close() }
}
