/** A PgBouncer in transaction mode in front of a cluster: each transaction gets whichever session is free. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { clusterOwner } from '../../scripts/support/cluster.ts'
import { temporaryFolder } from '../../scripts/support/folder.ts'

export function findPgBouncer(): string | undefined {
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
    .map(folder => join(folder, 'pgbouncer'))
    .find(existsSync)
}

export interface PgBouncer extends AsyncDisposable {
  /** A connection string that leads through it. */
  url: string
}

/** Starts one with two sessions. */
export async function startPgBouncer(program: string, databaseUrl: string): Promise<PgBouncer> {
  await using stack = new AsyncDisposableStack()
  const { path: folder } = stack.use(await temporaryFolder())
  const owner = clusterOwner()
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid)
  const socket = new URL(databaseUrl.replace('@/', '@localhost/')).searchParams.get('host')
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(
    file,
    `[databases]
    postgres = host=${socket} user=postgres
    [pgbouncer]
    unix_socket_dir = ${folder}
    auth_type = any
    pool_mode = transaction
    default_pool_size = 2
    listen_port = 6432`,
  )
  const bouncer = spawn(program, [file], { ...owner, stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(bouncer, 'exit')
  stack.defer(async () => {
    bouncer.kill('SIGTERM')
    await exited
  })
  const isUp = new Promise<true>(resolve => {
    createInterface(bouncer.stderr).on('line', line => line.includes('process up') && resolve(true))
  })
  if ((await Promise.race([isUp, exited])) !== true) throw new Error('PgBouncer did not start')
  const resources = stack.move()
  return {
    url: `postgresql://postgres@/postgres?host=${encodeURIComponent(folder)}&port=6432`,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
