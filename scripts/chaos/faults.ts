/** Faults of PostgreSQL, of the workers of Citus, of the network and of the servers. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../support/cluster.ts'
import { execute } from '../support/database.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import type { ServiceProcess } from '../support/process.ts'
import type { Random } from '../support/random.ts'

export interface Targets {
  cluster: Cluster
  /** The workers of Citus; none on one PostgreSQL. */
  nodes: Cluster[]
  /** Between servers and cluster. */
  proxy: FaultProxy
  servers: ServiceProcess[]
  start(): Promise<ServiceProcess>
  /** Receives the errors of servers that were stopped. */
  errors: string[]
}

export type Fault = (targets: Targets, random: Random) => Promise<void>

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

async function halt(server: Cluster, random: Random): Promise<void> {
  server.signal('SIGSTOP')
  await sleep(500 + random.below(2500))
  server.signal('SIGCONT')
}

export const faults: Record<string, Fault> = {
  async 'backends killed'({ cluster }) {
    const terminate = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'task-service'`
    await execute(cluster.url, terminate)
  },
  'restart, fast': ({ cluster }) => cluster.restart('fast'),
  'restart, immediate': ({ cluster }) => cluster.restart('immediate'),
  'database halted': ({ cluster }, random) => halt(cluster, random),
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

export const workerFaults: Record<string, Fault> = {
  'worker restarted, fast': ({ nodes }, random) => random.pick(nodes).restart('fast'),
  'worker restarted, immediate': ({ nodes }, random) => random.pick(nodes).restart('immediate'),
  'worker halted': ({ nodes }, random) => halt(random.pick(nodes), random),
  async 'worker down'({ nodes }, random) {
    const node = random.pick(nodes)
    await node.stop('immediate')
    await sleep(500 + random.below(4500))
    await node.start()
  },
  async 'connections between nodes killed'({ cluster, nodes }, random) {
    const terminate = `
      select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'citus\\_internal%'`
    await execute(random.pick([cluster, ...nodes]).url, terminate)
  },
}
