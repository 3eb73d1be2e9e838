/** The service and its peers as processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { SignJWT } from 'jose'
import { startArguments } from '../support/server.ts'
import type { Teardown } from '../support/service.ts'
import { type Operation, USERS, userOf } from './load.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What tokens are signed with. */
export const SECRET = randomBytes(32).toString('base64')

export interface Contender {
  /** What Node gets: options, and the program. */
  program: string[]
  env?: Record<string, string>
  /** What it is asked, where not all. */
  operations?: readonly Operation[]
  /** Whether every request has a token. */
  hasToken?: boolean
}

const SERVICE = startArguments()

/** The service as `npm start` runs it, and what it is compared with. */
export const contenders = {
  floor: { program: ['scripts/bench/floor.ts'] },
  service: { program: SERVICE },
  'service, JWT': {
    program: SERVICE,
    env: { AUTH_SECRET: SECRET, RATE_LIMIT: '1000000' },
    operations: ['get'],
    hasToken: true,
  },
  'service, info log': { program: SERVICE, env: { LOG_LEVEL: 'info' }, operations: ['get'] },
  usual: { program: ['scripts/bench/usual.ts'] },
  // It reads as the one before does.
  plain: { program: ['scripts/bench/plain.ts'], operations: ['create', 'toggle'] },
} satisfies Record<string, Contender>
export type Name = keyof typeof contenders
export const names = Object.keys(contenders) as Name[]

export interface Server {
  origin: string
  process: ChildProcess
  tokens?: Map<string, string>
}

/**
 * Starts one and waits until it listens.
 * @param url of the database; none where `own` names a folder
 * @param own variables, which come last
 */
export async function startContender(
  test: Teardown,
  name: Name,
  url: string | undefined,
  own: Record<string, string> = {},
): Promise<Server> {
  const { program, env, hasToken }: Contender = contenders[name]
  const { PORT: port = `${await freePort()}` } = own
  const child = spawn(process.execPath, program, {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      ...(url !== undefined && { DATABASE_URL: url }),
      PORT: port,
      LOG_LEVEL: 'warn',
      ...env,
      ...own,
    },
    // A log that is written and not read.
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(child, 'exit')
  test.teardown(async () => {
    child.kill('SIGTERM')
    await ended
  })
  const origin = `http://127.0.0.1:${port}`
  while (!(await isReady(origin))) {
    if (child.exitCode !== null) throw new Error(`${name} ended before it listened`)
  }
  return { origin, process: child, ...(hasToken && { tokens: await createTokens() }) }
}

/** One that was free a moment ago; nobody else takes ports here. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Whether it listens and does not say that its schema is not there yet; its peers know no such path, which is 404. */
function isReady(origin: string): Promise<boolean> {
  return fetch(`${origin}/health`).then(
    ({ status }) => status !== 503,
    () => false,
  )
}

async function createTokens(): Promise<Map<string, string>> {
  const tokens = new Map<string, string>()
  for (let number = 0; number < USERS; number += 1) {
    tokens.set(userOf(number), await createToken(userOf(number)))
  }
  return tokens
}

/** A token for the user, valid where `secret` is the service's. */
export function createToken(user: string, secret = SECRET): Promise<string> {
  const token = new SignJWT().setProtectedHeader({ alg: 'HS256' }).setSubject(user).setExpirationTime('1h')
  return token.sign(new TextEncoder().encode(secret))
}
