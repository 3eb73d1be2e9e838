/** Faults of PostgreSQL, of the network and of the servers. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../support/cluster.ts'
import { execute } from '../support/database.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import type { ServiceProcess } from '../support/process.ts'
import type { Random } from './random.ts'

export interface Targets {
  cluster: Cluster
  /** Between servers and cluster. */
  proxy: FaultProxy
  servers: ServiceProcess[]
  start(): Promise<ServiceProcess>
  /** Receives the errors of servers that were stopped. */
  errors: string[]
}

type Fault = (targets: Targets, random: Random) => Promise<void>

async function replace(
  { servers, start }: Targets,
  random: Random,
  end: (server: ServiceProcess) => Promise<unknown>,
): Promise<void> {
  const index = random.below(servers.length)
  const [server] = servers.splice(index, 1) as [ServiceProcess]
  await end(server)
  servers.push(await start())
}

export const faults: Record<string, Fault> = {
  async 'backends killed'({ cluster }) {
    const terminate = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'task-service'`
    await execute(cluster.url, terminate)
  },
  'restart, fast': ({ cluster }) => cluster.restart('fast'),
  'restart, immediate': ({ cluster }) => cluster.restart('immediate'),
  async 'database halted'({ cluster }, random) {
    cluster.signal('SIGSTOP')
    await sleep(500 + random.below(2500))
    cluster.signal('SIGCONT')
  },
  async 'connections cut'({ proxy }) {
    proxy.cut()
  },
  async 'connections silent'({ proxy }) {
    proxy.silence()
  },
  async 'responses to commits lost'({ proxy }, random) {
    // The tag of a statement that wrote; reads return `SELECT`.
    proxy.cutAt('response', random.pick(['INSERT 0 1', 'SELECT 1', 'COMMIT']))
    await sleep(200 + random.below(500))
    proxy.cutAt('response', 'no response contains this')
  },
  async 'network down'({ proxy }, random) {
    proxy.close()
    await sleep(200 + random.below(2000))
    await proxy.listen()
  },
  'server killed': (targets, random) => replace(targets, random, server => server.end('SIGKILL')),
  'server replaced': (targets, random) =>
    replace(targets, random, async server => {
      targets.errors.push(...(await server.stop()))
    }),
}
