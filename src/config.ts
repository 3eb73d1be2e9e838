/** The configuration: the only reader of process.env. */
import { existsSync } from 'node:fs'
import { StartError } from './start-error.ts'

interface Variable {
  /** As an operator would write it; '' where leaving it out is the default. */
  default: string
  description: string
  /** Turns the text into a value; throws a sentence that starts with "must". */
  read: (text: string) => unknown
}

const variable = <T>(fallback: string, read: (text: string) => T, description: string) => ({
  default: fallback,
  read,
  description,
})

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

const postgresUrl = (value: string) => {
  if (value === '') return undefined
  if (!/^postgres(ql)?:\/\//.test(value) || !URL.canParse(value.replace('@/', '@socket/'))) {
    throw new Error('must be a URL such as postgresql://user:password@host:5432/database')
  }
  return value
}

/** Every variable that the service reads, in the order in which people meet them. */
export const variables = {
  PORT: variable('3000', integer(0, 65535), 'The TCP port to listen on; 0 takes any free one.'),
  HOST: variable(
    '127.0.0.1',
    text,
    'The address to listen on. The API has no authentication yet: keep it on loopback, or behind something that has.',
  ),
  DATABASE_URL: variable(
    '',
    postgresUrl,
    'A PostgreSQL 15 or newer, as postgresql://user:password@host:5432/database. Without it the embedded PGlite is used.',
  ),
  DATABASE_POOL_SIZE: variable(
    '10',
    integer(1, 1000),
    'How many connections to PostgreSQL this process opens at the most.',
  ),
  DATA_DIR: variable('./data', text, 'The folder of the embedded PGlite, for one process at a time.'),
  LOG_LEVEL: variable(
    'info',
    oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    'From which level on to log: fatal, error, warn, info, debug, trace or silent.',
  ),
  REQUEST_TIMEOUT: variable('30', integer(1, 3600), 'Within how many seconds a request must have arrived whole.'),
  SHUTDOWN_TIMEOUT: variable(
    '8',
    integer(0, 3600),
    'How many seconds requests in flight get to finish after SIGTERM or SIGINT.',
  ),
} satisfies Record<string, Variable>

/** Whether npm runs this process, through the shell that it puts between for a script. */
export const isNpmScript = (): boolean => process.env.npm_lifecycle_event !== undefined

export type Config = { [Name in keyof typeof variables]: ReturnType<(typeof variables)[Name]['read']> }

/**
 * Reads all variables at once, those of the file `.env` included where it exists; the environment wins over the file.
 * @throws StartError with a line for each bad value
 */
export function readConfig(): Config {
  readEnvFile()
  const config: Record<string, unknown> = {}
  const mistakes: string[] = []
  for (const [name, { default: fallback, read }] of Object.entries(variables)) {
    // An empty value, as `PORT=` in a file, means the default.
    const value = process.env[name] || fallback
    try {
      config[name] = read(value)
    } catch (error) {
      // A connection string has a password in it.
      const shown = name === 'DATABASE_URL' ? '' : ` and not ${JSON.stringify(value)}`
      mistakes.push(`${name} ${(error as Error).message}${shown}.`)
    }
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
