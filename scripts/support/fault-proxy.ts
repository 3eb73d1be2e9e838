/** A proxy in front of a database that injects faults: it refuses connections, cuts them or makes them go silent. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { Kysely, PGliteDialect } from 'kysely'
import { migrateUp } from '../../src/database/migrate.ts'
import type { DatabaseConfig } from '../../src/database/open.ts'
import { temporaryFolder } from './folder.ts'

export type Direction = 'request' | 'response'

export interface FaultProxy extends AsyncDisposable {
  /** A connection string that leads through the proxy. */
  url: string
  /** Accepts connections, for the first time or again. */
  listen(): Promise<void>
  /** Cuts all connections and refuses new ones, as if the database were down. */
  close(): void
  /** Cuts all connections. */
  cut(): void
  /** From now on, cuts a connection when `text` would pass in this direction; the text does not arrive. */
  cutAt(direction: Direction, text: string): void
  /** How many connections `cutAt` has cut. */
  readonly cuts: number
  /** Makes all current connections go silent: they stay open, but nothing passes. New ones work. */
  silence(): void
  /** From now on, makes a connection go silent when `text` would pass in this direction. */
  silenceAt(direction: Direction, text: string): void
}

type Deliver = (bytes: Uint8Array) => void

/** Connects a client to the database; returns a function that sends the client's bytes. */
type Upstream = (client: Socket, deliver: Deliver) => Deliver

/**
 * Creates a proxy, closed at first, to the PostgreSQL of `config`. For a PGlite config the database is a PGlite on
 * that folder which speaks PostgreSQL's protocol: one session, however many connections there are.
 */
export async function createFaultProxy({ databaseUrl, dataDir }: DatabaseConfig): Promise<FaultProxy> {
  const upstream = databaseUrl === undefined ? await pgliteUpstream(dataDir) : postgresUpstream(databaseUrl)
  const folder = await temporaryFolder()
  const sockets = new Set<Socket>()
  const silent = new Set<Socket>()
  let trap: { direction: Direction; text: string; spring(socket: Socket): void } | undefined
  let cuts = 0
  const server = createServer(client => {
    sockets.add(client)
    client.on('error', () => client.destroy())
    const pass = (direction: Direction, bytes: Uint8Array, deliver: Deliver) => {
      if (trap?.direction === direction && Buffer.from(bytes).includes(trap.text)) trap.spring(client)
      else if (client.writable && !silent.has(client)) deliver(bytes)
    }
    const send = upstream(client, bytes => pass('response', bytes, response => client.write(response)))
    client.on('data', bytes => pass('request', bytes, send))
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  const close = () => {
    server.close()
    cut()
  }
  const { pathname } = parse(databaseUrl ?? 'postgresql://host/postgres')
  return {
    url: `postgresql://postgres@${pathname}?host=${encodeURIComponent(folder.path)}`,
    async listen() {
      server.listen(join(folder.path, '.s.PGSQL.5432'))
      await once(server, 'listening')
    },
    close,
    cut,
    cutAt(direction, text) {
      const spring = (socket: Socket) => {
        cuts += 1
        socket.destroy()
      }
      trap = { direction, text, spring }
    },
    get cuts() {
      return cuts
    },
    silence() {
      for (const socket of sockets) silent.add(socket)
    },
    silenceAt(direction, text) {
      trap = { direction, text, spring: socket => silent.add(socket) }
    },
    async [Symbol.asyncDispose]() {
      close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function pgliteUpstream(dataDir: string): Promise<Upstream> {
  const pglite = await PGlite.create(join(dataDir, 'pglite'))
  // For a folder that is no copy of the template; the service cannot migrate, because that needs two sessions.
  await migrateUp(new Kysely({ dialect: new PGliteDialect({ pglite }) }))
  let pending = Promise.resolve()
  return (_client, deliver) => bytes => {
    pending = pending.then(async () => deliver(await pglite.execProtocolRaw(bytes)))
  }
}

function postgresUpstream(databaseUrl: string): Upstream {
  const { hostname, port, searchParams } = parse(databaseUrl)
  const folder = searchParams.get('host')
  return (client, deliver) => {
    const server = folder === null ? connect(Number(port || 5432), hostname) : connect(join(folder, '.s.PGSQL.5432'))
    server.on('error', () => client.destroy())
    server.on('close', () => client.destroy())
    client.on('close', () => server.destroy())
    server.on('data', deliver)
    return bytes => server.write(bytes)
  }
}

/** `URL` requires a host where libpq does not. */
const parse = (databaseUrl: string) => new URL(databaseUrl.replace('@/', '@socket/'))
