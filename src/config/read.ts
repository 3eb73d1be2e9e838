/** Reads the environment and `.env`. Nothing else in `src/` reads process.env. */
import { existsSync } from 'node:fs'
import { StartError } from '../process/start-error.ts'
import { hasIssuer } from './authentication.ts'
import { type Config, variables } from './variables.ts'

/**
 * Reads all variables from the environment and, if it exists, from the file `.env`. The environment takes precedence.
 * @throws StartError with a line for each invalid value
 */
export function readConfig(): Config {
  readEnvFile()
  const values: Record<string, unknown> = {}
  const mistakes: string[] = []
  for (const [name, { default: fallback, parse, secrecy }] of Object.entries(variables)) {
    // An empty value, such as `PORT=` in a file, means the default.
    const text = process.env[name] || fallback
    try {
      values[name] = parse(text)
    } catch (error) {
      const shown = secrecy === 'secret' ? '' : `, not ${JSON.stringify(text)}`
      mistakes.push(`${name} ${(error as Error).message}${shown}.`)
    }
  }
  const config = values as Config
  if (config.AUTH_SECRET !== undefined && hasIssuer(config)) {
    mistakes.push('AUTH_SECRET cannot be combined with AUTH_ISSUER or AUTH_JWKS_URL.')
  }
  if (mistakes.length > 0) throw new StartError(mistakes.join('\n'))
  return config
}

function readEnvFile(): void {
  if (!existsSync('.env')) return
  try {
    process.loadEnvFile('.env')
  } catch (error) {
    throw new StartError(`The file .env cannot be read: ${(error as Error).message}.`)
  }
}

/** Whether npm runs this process as a script, with a shell in between. */
export const isNpmScript = (): boolean => process.env.npm_lifecycle_event !== undefined
