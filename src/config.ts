/** The configuration: the only reader of process.env. */
import { existsSync } from 'node:fs'
import ipaddr from 'ipaddr.js'
import type { DatabaseConfig } from './database/open.ts'
import { isTrustworthy } from './issuer-keys.ts'
import { isLoopback } from './loopback.ts'
import type { Retention } from './purge/purge.ts'
import { type Quotas, UNLIMITED } from './quotas.ts'
import { StartError } from './start-error.ts'

/** What is written here is never shown, not even where it is wrong. */
type Secrecy = 'secret' | 'public'

interface Variable {
  /** As an operator would write it; '' where leaving it out is the default. */
  default: string
  description: string
  /** Turns the text into a value; throws a sentence that starts with "must". */
  read: (text: string) => unknown
  secrecy: Secrecy
}

const variable = <T>(
  fallback: string,
  read: (text: string) => T,
  description: string,
  secrecy: Secrecy = 'public',
) => ({ default: fallback, read, description, secrecy })

const text = (value: string) => value

const integer = (smallest: number, largest: number) => (value: string) => {
  const number = Number(value)
  if (!/^[0-9]+$/.test(value) || number < smallest || number > largest) {
    throw new Error(`must be a whole number from ${smallest} to ${largest}`)
  }
  return number
}

const oneOf =
  <T extends string>(...choices: T[]) =>
  (value: string) => {
    if (!choices.includes(value as T)) throw new Error(`must be one of ${choices.join(', ')}`)
    return value as T
  }

/** A reader for which an empty text means that the variable is not set. */
const optional =
  <T>(read: (text: string) => T) =>
  (value: string) =>
    value === '' ? undefined : read(value)

const issuerUrl = (value: string) => {
  if (!isTrustworthy(value)) throw new Error('must be an https:// URL, or an http:// URL of this machine')
  return value
}

const SECRET_BYTES = 32

/** RFC 7518, 3.2: a key of HS256 has at least as many bytes as its hash. */
const secret = (value: string) => {
  if (Buffer.byteLength(value) < SECRET_BYTES) throw new Error(`must have at least ${SECRET_BYTES} bytes`)
  return value
}

const addresses = (value: string) => {
  const isAddress = (text: string) => ipaddr.isValid(text) || ipaddr.isValidCIDR(text)
  if (!value.split(',').every(isAddress))
    throw new Error('must be addresses or networks such as 10.0.0.0/8, separated by commas')
  return value
}

const origins = (value: string) => {
  const list = value.split(',')
  if (!list.every(origin => URL.parse(origin)?.origin === origin)) {
    throw new Error('must be origins such as https://app.example.org, separated by commas')
  }
  return list
}

const postgresUrl = (value: string) => {
  if (!/^postgres(ql)?:\/\//.test(value) || !URL.canParse(value.replace('@/', '@socket/'))) {
    throw new Error('must be a URL such as postgresql://user:password@host:5432/database')
  }
  return value
}

/** Requests a minute for each user, where RATE_LIMIT is not set and there is authentication. */
export const DEFAULT_RATE_LIMIT = 1200

/** Every variable that the service reads, in the order in which people meet them. */
export const variables = {
  PORT: variable('3000', integer(0, 65535), 'The TCP port to listen on; 0 takes any free one.'),
  HOST: variable(
    '127.0.0.1',
    text,
    'The address to listen on. Without authentication only one of this machine (loopback) is taken.',
  ),
  REUSE_PORT: variable(
    'off',
    oneOf('on', 'off'),
    'Whether several processes of this machine may listen on PORT at the same time, if all of them say `on`: the kernel (Linux) spreads connections over them.',
  ),
  DATABASE_URL: variable(
    '',
    optional(postgresUrl),
    'A PostgreSQL 15 or newer, as postgresql://user:password@host:5432/database. Without it the embedded PGlite is used.',
    'secret',
  ),
  MIGRATION_DATABASE_URL: variable(
    '',
    optional(postgresUrl),
    'The same database for migrations, where a role of their own shall run them; the one of DATABASE_URL then needs no more than to read and write rows.',
    'secret',
  ),
  DATABASE_POOL_SIZE: variable(
    '10',
    integer(3, 1000),
    'How many connections to PostgreSQL this process opens at the most: a fifth, two at the most, are shared by reads, two fifths, eight at the most, by writes of one statement, the rest is for transactions.',
  ),
  DATABASE_PREPARED: variable(
    'on',
    oneOf('on', 'off'),
    'Whether statements are prepared on each connection. Set it to `off` behind a pooler in transaction mode, such as PgBouncer; what sessions set is then to be set at the role (docs/operations.md).',
  ),
  DATA_DIR: variable('./data', text, 'The folder of the embedded PGlite, for one process at a time.'),
  AUTH_ISSUER: variable(
    '',
    optional(issuerUrl),
    "The issuer of the callers' tokens (OpenID Connect): what `iss` must be, and where its keys are discovered.",
  ),
  AUTH_JWKS_URL: variable(
    '',
    optional(issuerUrl),
    "Where the token issuer's keys are, if not where discovery finds them; may stand without AUTH_ISSUER.",
  ),
  AUTH_KEYS_MAX_AGE: variable(
    `${24 * 60 * 60}`,
    integer(60, 1_000_000_000),
    "Maximum age of the issuer's keys in seconds. While the issuer is unavailable they stay in use for that long, keys that were revoked meanwhile included; after that, requests get 503. The default is 24 hours.",
  ),
  AUTH_SECRET: variable(
    '',
    optional(secret),
    'Instead of an issuer: the secret, 32 bytes or more, with which tokens are signed (HS256). `npm run token -- alice` makes such a token.',
    'secret',
  ),
  AUTH_AUDIENCE: variable(
    '',
    optional(text),
    'What `aud` of a token must be or contain. Not set, every token of the issuer is accepted, those for other services included.',
  ),
  AUTH_TOKEN_TYPE: variable(
    '',
    optional(text),
    'What `typ` of a token must be. Set it to `at+jwt` if the issuer follows RFC 9068: its ID tokens are refused then. Not set, tokens without a `typ` are accepted, and those with `JWT` or `at+jwt`.',
  ),
  RATE_LIMIT: variable(
    '',
    optional(integer(0, 1_000_000)),
    `How many requests a minute each user may make, counted by each replica for itself; 0 is no limit. Not set, it is ${DEFAULT_RATE_LIMIT} with authentication and 0 without.`,
  ),
  ADDRESS_RATE_LIMIT: variable(
    '600',
    integer(0, 1_000_000),
    'Maximum number of requests per minute without a valid token from one address (IPv6: one /64). Beyond it, tokens from that address that were not verified before are refused, too; 0 is no limit.',
  ),
  TRUST_PROXY: variable(
    '',
    optional(addresses),
    'The proxies in front, as addresses or networks separated by commas: only their X-Forwarded-For is believed.',
  ),
  CORS_ORIGINS: variable(
    '',
    optional(origins),
    'Whose pages may call the service from a browser, as origins separated by commas, such as https://app.example.org.',
  ),
  NODE_ENV: variable('', text, '`production` does not start without authentication, wherever it listens.'),
  LOG_LEVEL: variable(
    'info',
    oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    'From which level on to log: fatal, error, warn, info, debug, trace or silent.',
  ),
  METRICS_PORT: variable(
    '',
    optional(integer(0, 65535)),
    'The TCP port of the figures for Prometheus, at /metrics; 0 takes any free one. Not set, there are none.',
  ),
  METRICS_HOST: variable('127.0.0.1', text, 'The address of that port; keep it away from callers.'),
  REQUEST_TIMEOUT: variable('30', integer(1, 3600), 'Within how many seconds a request must have arrived whole.'),
  RESPONSE_TIMEOUT: variable(
    '30',
    integer(1, 3600),
    'Seconds from the end of a response until the client must have read it; after that its connection is closed.',
  ),
  MAX_CONNECTIONS: variable(
    '',
    optional(integer(1, 1_000_000)),
    'Maximum number of open connections. One more takes the place of the one that has been idle longest, or is closed if none is idle. Not set, it is what the limit on open files leaves, at most 10,000.',
  ),
  MAX_UNSENT_BYTES: variable(
    `${128 * 1024 * 1024}`,
    integer(1_000_000, 1_000_000_000_000),
    'Maximum number of bytes of responses that wait for clients to read them; above it the connections with the most unsent bytes are closed. The default is 128 MiB.',
  ),
  MAX_IN_FLIGHT: variable(
    '1000',
    integer(1, 1_000_000),
    'Maximum number of requests in flight that use the database, each until its response is written; one more is answered 503 at once.',
  ),
  MAX_EVENT_LOOP_DELAY: variable(
    '1000',
    integer(0, 3_600_000),
    'How late the process may be with its work, in milliseconds on average over a second, before requests are answered 503 at once; 0 is no bound.',
  ),
  DRAIN_DELAY: variable(
    '0',
    integer(0, 3600),
    'How many seconds after SIGTERM requests are still taken while /health answers 503; behind a balancer, longer than it takes to notice.',
  ),
  TOMBSTONE_RETENTION: variable(
    `${30 * 24 * 60 * 60}`,
    integer(1, 1_000_000_000),
    'For how many seconds a deleted task can be restored, and is told to clients that synchronise; the default is 30 days.',
  ),
  IDEMPOTENCY_TTL: variable(
    `${24 * 60 * 60}`,
    integer(1, 1_000_000_000),
    'For how many seconds the answer to a request with an Idempotency-Key is kept; the default is 24 hours.',
  ),
  QUOTA_TASKS: variable(
    '100000',
    integer(0, 1_000_000_000),
    'Maximum number of tasks per user, without those in the trash; 0 is no limit.',
  ),
  QUOTA_TRASH: variable(
    '100000',
    integer(0, 1_000_000_000),
    'Maximum number of deleted tasks kept per user; beyond it the oldest are deleted for good. 0 is no limit.',
  ),
  QUOTA_IDEMPOTENCY_BYTES: variable(
    `${100 * 1024 * 1024}`,
    integer(0, Number.MAX_SAFE_INTEGER),
    "Maximum number of bytes that the responses kept for a user's idempotency keys take; 0 is no limit.",
  ),
  PURGE_INTERVAL: variable(
    '600',
    integer(0, 1_000_000),
    'Every how many seconds one of the replicas deletes for good what is kept no longer; 0 leaves it to `npm run purge`.',
  ),
  SHUTDOWN_TIMEOUT: variable(
    '8',
    integer(0, 3600),
    'How many seconds requests in flight get to finish after SIGTERM or SIGINT, and DRAIN_DELAY.',
  ),
} satisfies Record<string, Variable>

/** Whether callers have to show who they are. */
export const hasAuthentication = ({ AUTH_ISSUER, AUTH_JWKS_URL, AUTH_SECRET }: Config): boolean =>
  (AUTH_ISSUER ?? AUTH_JWKS_URL ?? AUTH_SECRET) !== undefined

/**
 * Refuses to serve others than this machine without authentication.
 * @throws StartError that says what to set
 */
export function requireSafety(config: Config): void {
  if (hasAuthentication(config)) return
  const toSet = 'Set AUTH_ISSUER, AUTH_JWKS_URL or AUTH_SECRET'
  if (config.NODE_ENV === 'production') {
    throw new StartError(`Without authentication nothing is served in production. ${toSet}.`)
  }
  if (!isLoopback(config.HOST)) {
    throw new StartError(
      `Without authentication HOST must be of this machine only, and not ${JSON.stringify(config.HOST)}. ${toSet}, or HOST to 127.0.0.1.`,
    )
  }
}

/** The oldest release of Node that is recommended for serving; any that package.json admits will do for trying things out. */
const RECOMMENDED_NODE = '24.22.1'

/**
 * What an operator should change, although the service starts.
 * @param nodeVersion as in `process.versions.node`
 */
export function startWarnings(config: Config, nodeVersion: string): string[] {
  const warnings: string[] = []
  if (!hasAuthentication(config)) {
    warnings.push(
      `no authentication: everybody on ${config.HOST} reads and writes everything; AUTH_ISSUER, AUTH_JWKS_URL or AUTH_SECRET change that`,
    )
  }
  if ((config.AUTH_ISSUER ?? config.AUTH_JWKS_URL) !== undefined && config.AUTH_AUDIENCE === undefined) {
    warnings.push(
      'AUTH_AUDIENCE is not set: every token of the issuer is accepted, whichever service it was issued for',
    )
  }
  if (nodeVersion.localeCompare(RECOMMENDED_NODE, 'en', { numeric: true }) < 0) {
    warnings.push(`Node ${nodeVersion} is older than ${RECOMMENDED_NODE}, the oldest release that is recommended`)
  }
  return warnings
}

/** Whether npm runs this process, through the shell that it puts between for a script. */
export const isNpmScript = (): boolean => process.env.npm_lifecycle_event !== undefined

/** For how many milliseconds what is kept for some time. */
export const retention = (config: Config): Retention => ({
  tombstones: config.TOMBSTONE_RETENTION * 1000,
  keys: config.IDEMPOTENCY_TTL * 1000,
})

/** How much each user may keep. */
export const quotas = (config: Config): Quotas => ({
  tasks: config.QUOTA_TASKS || UNLIMITED,
  tombstones: config.QUOTA_TRASH || UNLIMITED,
  keyBytes: config.QUOTA_IDEMPOTENCY_BYTES || UNLIMITED,
})

/** The part that says which database. */
export const databaseConfig = (config: Config): DatabaseConfig => ({
  databaseUrl: config.DATABASE_URL,
  migrationUrl: config.MIGRATION_DATABASE_URL,
  dataDir: config.DATA_DIR,
  poolSize: config.DATABASE_POOL_SIZE,
  isPrepared: config.DATABASE_PREPARED === 'on',
})

export type Config = { [Name in keyof typeof variables]: ReturnType<(typeof variables)[Name]['read']> }

/**
 * Reads all variables at once, those of the file `.env` included where it exists; the environment wins over the file.
 * @throws StartError with a line for each bad value
 */
export function readConfig(): Config {
  readEnvFile()
  const config: Record<string, unknown> = {}
  const mistakes: string[] = []
  for (const [name, { default: fallback, read, secrecy }] of Object.entries(variables)) {
    // An empty value, as `PORT=` in a file, means the default.
    const value = process.env[name] || fallback
    try {
      config[name] = read(value)
    } catch (error) {
      const shown = secrecy === 'secret' ? '' : ` and not ${JSON.stringify(value)}`
      mistakes.push(`${name} ${(error as Error).message}${shown}.`)
    }
  }
  const { AUTH_ISSUER, AUTH_JWKS_URL, AUTH_SECRET } = config
  if (AUTH_SECRET !== undefined && (AUTH_ISSUER ?? AUTH_JWKS_URL) !== undefined) {
    mistakes.push('AUTH_SECRET stands in place of AUTH_ISSUER and AUTH_JWKS_URL: set either the one or the others.')
  }
  if (mistakes.length > 0) throw new StartError(mistakes.join('\n'))
  return config as Config
}

function readEnvFile(): void {
  if (!existsSync('.env')) return
  try {
    process.loadEnvFile('.env')
  } catch (error) {
    throw new StartError(`The file .env cannot be read: ${(error as Error).message}.`)
  }
}
