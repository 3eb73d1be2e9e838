/** A database behind a TCP port of the test's choice, so that connections can be refused and cut. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { PGlite } from '@electric-sql/pglite'
import type t from 'tap'
import type { DatabaseConfig } from '../../src/database/open.ts'

export interface Wire {
  /** Cuts every connection that there is. */
  cut(): void
  /** Cuts them and refuses new ones, as a database that is down does. */
  pause(): void
  /** Takes connections again. */
  resume(): Promise<void>
}

/** A port that nothing listens on; the one who asked is expected to use it soon. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Serves the PostgreSQL of `config` on `port`. Where the suite runs on PGlite, a PGlite in memory speaks PostgreSQL's
 * protocol there instead: one session, whatever the number of connections, which is enough for a pool of one.
 */
export async function serveDatabase(
  test: Pick<typeof t, 'teardown'>,
  port: number,
  config: DatabaseConfig,
): Promise<Wire> {
  const sockets = new Set<Socket>()
  const serve = config.databaseUrl === undefined ? await pgliteServer() : proxy(config.databaseUrl)
  const server = createServer(near => {
    sockets.add(near)
    near.on('error', () => near.destroy())
    serve(near)
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  const pause = () => {
    server.close()
    cut()
  }
  const resume = async () => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  test.teardown(pause)
  await resume()
  return { cut, pause, resume }
}

async function pgliteServer(): Promise<(near: Socket) => void> {
  const pglite = await PGlite.create()
  let pending = Promise.resolve()
  return near => {
    near.on('data', bytes => {
      pending = pending.then(async () => {
        const reply = await pglite.execProtocolRaw(bytes)
        if (near.writable) near.write(reply)
      })
    })
  }
}

function proxy(databaseUrl: string): (near: Socket) => void {
  const { hostname, port, searchParams } = new URL(databaseUrl.replace('@/', '@socket/'))
  const folder = searchParams.get('host')
  return near => {
    const far = folder === null ? connect(Number(port || 5432), hostname) : connect(`${folder}/.s.PGSQL.5432`)
    far.on('error', () => near.destroy())
    far.on('close', () => near.destroy())
    near.on('close', () => far.destroy())
    near.pipe(far).pipe(near)
  }
}
