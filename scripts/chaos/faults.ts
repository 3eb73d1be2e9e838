/** What can happen to a PostgreSQL, to the network and to the servers. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Cluster } from '../support/cluster.ts'
import type { Server } from '../support/server.ts'
import type { Wire } from '../support/wire.ts'
import type { Random } from './random.ts'

export interface Surroundings {
  cluster: Cluster
  /** Between servers and cluster. */
  wire: Wire
  servers: Server[]
  start(): Promise<Server>
  /** What is wrong with how a server ended. */
  complain(complaint: string): void
}

type Fault = (surroundings: Surroundings, random: Random) => Promise<void>

async function replace(
  { servers, start }: Surroundings,
  random: Random,
  end: (server: Server) => Promise<unknown>,
): Promise<void> {
  const index = random.below(servers.length)
  const [server] = servers.splice(index, 1) as [Server]
  await end(server)
  servers.push(await start())
}

export const faults: Record<string, Fault> = {
  async 'backends killed'({ cluster }) {
    const client = new pg.Client({ connectionString: cluster.url })
    await client.connect()
    await client.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'task-service'`)
    await client.end()
  },
  'restart, fast': ({ cluster }) => cluster.restart('fast'),
  'restart, immediate': ({ cluster }) => cluster.restart('immediate'),
  async 'database halted'({ cluster }, random) {
    cluster.signal('SIGSTOP')
    await sleep(500 + random.below(2500))
    cluster.signal('SIGCONT')
  },
  async 'connections cut'({ wire }) {
    wire.cut()
  },
  async 'connections silent'({ wire }) {
    wire.silence()
  },
  async 'answers of commits lost'({ wire }, random) {
    // The tag of a statement that wrote; `SELECT` answers reads.
    wire.cutAt('answer', random.pick(['INSERT 0 1', 'SELECT 1', 'COMMIT']))
    await sleep(200 + random.below(500))
    wire.cutAt('answer', 'nothing is answered like this')
  },
  async 'network away'({ wire }, random) {
    wire.pause()
    await sleep(200 + random.below(2000))
    await wire.resume()
  },
  'server killed': (surroundings, random) => replace(surroundings, random, server => server.kill()),
  'server replaced': (surroundings, random) =>
    replace(surroundings, random, async server => {
      for (const complaint of await server.stop()) surroundings.complain(complaint)
    }),
}
