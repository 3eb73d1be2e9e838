/** The service and its peers, and how to start them. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'
import { variables } from '../../src/config/variables.ts'
import { type LaunchedProcess, launch, startArguments } from '../support/process.ts'
import { type Operation, USERS, userOf } from './load.ts'

/** An empty variable means its default, whatever this process's environment or an `.env` file says. */
export const defaults = Object.fromEntries(Object.keys(variables).map(name => [name, '']))

/** What tokens are signed with. */
export const SECRET = randomBytes(32).toString('base64')

export interface Contender {
  /** Arguments for Node: options and the program. */
  program: string[]
  env?: Record<string, string>
  /** What it is measured with; all operations by default. */
  operations?: readonly Operation[]
  /** Whether every request has a token. */
  hasToken?: boolean
}

const SERVICE = startArguments()

/** The service as `npm start` runs it, and its peers. */
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
  // It reads as `usual` does.
  plain: { program: ['scripts/bench/plain.ts'], operations: ['create', 'toggle'] },
} satisfies Record<string, Contender>
export type Name = keyof typeof contenders
export const names = Object.keys(contenders) as Name[]

export interface RunningContender extends LaunchedProcess {
  origin: string
  tokens?: Map<string, string>
}

/**
 * Starts a contender and waits until it listens.
 * @param url of the database; undefined if `overrides` names a folder
 * @param overrides variables that take precedence over all others
 */
export async function startContender(
  name: Name,
  url: string | undefined,
  overrides: Record<string, string> = {},
): Promise<RunningContender> {
  const { program, env, hasToken }: Contender = contenders[name]
  const { PORT = `${await freePort()}` } = overrides
  const base = { ...defaults, ...(url !== undefined && { DATABASE_URL: url }), LOG_LEVEL: 'warn', ...env }
  await using stack = new AsyncDisposableStack()
  const launched = stack.use(launch({ ...base, ...overrides, PORT }, { program, stdout: 'ignore' }))
  const origin = `http://127.0.0.1:${PORT}`
  while (!(await isReady(origin))) {
    if (launched.child.exitCode !== null) throw new Error(`${name} ended before it listened`)
  }
  stack.move()
  return { ...launched, origin, ...(hasToken && { tokens: await createTokens() }) }
}

/** Finds a free port. Nothing else takes ports meanwhile. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Whether it listens and, if it is the service, its schema is ready; the peers have no such path and return 404. */
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

/** Creates a token for the user, valid if `secret` is the service's. */
export function createToken(user: string, secret = SECRET): Promise<string> {
  const token = new SignJWT().setProtectedHeader({ alg: 'HS256' }).setSubject(user).setExpirationTime('1h')
  return token.sign(new TextEncoder().encode(secret))
}
