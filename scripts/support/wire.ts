/** A database behind a socket of the test's own, so that connections can be refused, cut and silenced. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { Kysely, PGliteDialect } from 'kysely'
import { migrateUp } from '../../src/database/migrate.ts'
import type { DatabaseConfig } from '../../src/database/open.ts'
import { type Teardown, temporaryFolder } from './service.ts'

export interface Wire {
  /** A connection string that leads through this wire. */
  url: string
  /** Cuts every connection that there is. */
  cut(): void
  /** From now on cuts a connection that sends `text`, before it arrives; or one whose answer has it, before that comes back. */
  cutAt(direction: 'request' | 'answer', text: string): void
  /** The same, but such a connection goes silent. */
  silenceAt(direction: 'request' | 'answer', text: string): void
  /** How often a connection was cut so. */
  readonly cuts: number
  /** Lets the connections that there are go silent: they stay open, and nothing comes through. New ones work. */
  silence(): void
  /** Cuts them and refuses new ones, as a database that is down does. */
  pause(): void
  /** Takes connections, for the first time or again. */
  resume(): Promise<void>
}

type Deliver = (bytes: Uint8Array) => void

/** Connects one client to the database; returns what takes the client's bytes. */
type Line = (near: Socket, deliver: Deliver) => Deliver

/**
 * Lays a wire to the PostgreSQL of `config`, which takes no connections yet. Where the suite runs on PGlite, a PGlite in
 * memory speaks PostgreSQL's protocol at its end: one session, whatever the number of connections.
 */
export async function layWire(test: Teardown, { databaseUrl }: DatabaseConfig): Promise<Wire> {
  const folder = await temporaryFolder(test)
  const line = databaseUrl === undefined ? await lineToPGlite() : lineToPostgres(databaseUrl)
  const sockets = new Set<Socket>()
  const silent = new Set<Socket>()
  let trap: { direction: 'request' | 'answer'; text: string; spring(socket: Socket): void } | undefined
  let cuts = 0
  const server = createServer(near => {
    sockets.add(near)
    near.on('error', () => near.destroy())
    const pass = (direction: 'request' | 'answer', bytes: Uint8Array, deliver: Deliver) => {
      if (trap?.direction === direction && Buffer.from(bytes).includes(trap.text)) trap.spring(near)
      else if (near.writable && !silent.has(near)) deliver(bytes)
    }
    const send = line(near, bytes => pass('answer', bytes, answer => near.write(answer)))
    near.on('data', bytes => pass('request', bytes, send))
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  const pause = () => {
    server.close()
    cut()
  }
  test.teardown(pause)
  const { pathname } = parse(databaseUrl ?? 'postgresql://host/postgres')
  return {
    url: `postgresql://postgres@${pathname}?host=${encodeURIComponent(folder)}`,
    cut,
    cutAt(direction, text) {
      const spring = (socket: Socket) => {
        cuts += 1
        socket.destroy()
      }
      trap = { direction, text, spring }
    },
    silenceAt(direction, text) {
      trap = { direction, text, spring: socket => silent.add(socket) }
    },
    get cuts() {
      return cuts
    },
    silence() {
      for (const socket of sockets) silent.add(socket)
    },
    pause,
    async resume() {
      server.listen(join(folder, '.s.PGSQL.5432'))
      await once(server, 'listening')
    },
  }
}

async function lineToPGlite(): Promise<Line> {
  const pglite = await PGlite.create()
  // Migrating takes two sessions.
  await migrateUp(new Kysely({ dialect: new PGliteDialect({ pglite }) }))
  let pending = Promise.resolve()
  return (_near, deliver) => bytes => {
    pending = pending.then(async () => deliver(await pglite.execProtocolRaw(bytes)))
  }
}

function lineToPostgres(databaseUrl: string): Line {
  const { hostname, port, searchParams } = parse(databaseUrl)
  const folder = searchParams.get('host')
  return (near, deliver) => {
    const far = folder === null ? connect(Number(port || 5432), hostname) : connect(join(folder, '.s.PGSQL.5432'))
    far.on('error', () => near.destroy())
    far.on('close', () => near.destroy())
    near.on('close', () => far.destroy())
    far.on('data', deliver)
    return bytes => far.write(bytes)
  }
}

/** URL wants a host where libpq needs none. */
const parse = (databaseUrl: string) => new URL(databaseUrl.replace('@/', '@socket/'))
