/** Prism, as a mock of the service or as a proxy that validates what passes through it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PRISM = '@stoplight/prism-cli@5.14.2'
const LISTENING = /listening on (http:\/\/127\.0\.0\.1:\d+)/

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = join(root, 'node_modules/.cache', PRISM.replaceAll('/', '-'))
const contract = join(root, 'openapi/openapi.gen.yaml')

async function install(): Promise<void> {
  if (existsSync(join(folder, 'node_modules/.bin/prism'))) return
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{ "private": true }')
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', PRISM], { cwd: folder, stdio: 'inherit' })
}

export interface Prism extends AsyncDisposable {
  url: string
}

/** A server that makes up its responses from the contract. */
export const startMock = (): Promise<Prism> => start(['mock', contract])

/** A proxy in front of a server. A response that violates the contract becomes an error. */
export const startProxy = (url: string): Promise<Prism> => start(['proxy', contract, url, '--errors'])

async function start(args: string[]): Promise<Prism> {
  await install()
  const command = [...args, '--host', '127.0.0.1', '--port', '0']
  const child = spawn(join(folder, 'node_modules/.bin/prism'), command, { stdio: ['ignore', 'pipe', 'inherit'] })
  // From the start: Ctrl+C in a terminal may end Prism before it is disposed of.
  const exited = once(child, 'exit')
  const url = await announced(child)
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** The URL that it prints once it listens. */
function announced(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout?.on('data', chunk => {
      output += chunk
      const url = LISTENING.exec(output)?.[1]
      if (url !== undefined) resolve(url)
    })
    child.once('exit', () => reject(new Error(`Prism ended: ${output}`)))
  })
}
