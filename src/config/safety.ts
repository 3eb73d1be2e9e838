/** Checks whether a configuration is safe to start with. */
import { StartError } from '../process/start-error.ts'
import { hasAuthentication, hasIssuer } from './authentication.ts'
import { isLoopback } from './loopback.ts'
import type { Config } from './variables.ts'

/**
 * Requires authentication in production, and for any address that other machines can reach.
 * @throws StartError that says what to set
 */
export function requireSafety(config: Config): void {
  if (hasAuthentication(config)) return
  const toSet = 'Set AUTH_ISSUER, AUTH_JWKS_URL or AUTH_SECRET'
  if (config.NODE_ENV === 'production') {
    throw new StartError(`Authentication is required in production. ${toSet}.`)
  }
  if (!isLoopback(config.HOST)) {
    throw new StartError(
      `Without authentication, HOST must be a loopback address, not ${JSON.stringify(config.HOST)}. ` +
        `${toSet}, or set HOST to 127.0.0.1.`,
    )
  }
}

/** The oldest Node release recommended in production. Any release that package.json allows is enough for a trial. */
const RECOMMENDED_NODE = '24.22.1'

/**
 * Settings that an operator should change, although the service starts with them.
 * @param nodeVersion as in `process.versions.node`
 */
export function startWarnings(config: Config, nodeVersion: string): string[] {
  const warnings: string[] = []
  if (!hasAuthentication(config)) {
    warnings.push(
      `no authentication: every client on ${config.HOST} can read and write everything; ` +
        'set AUTH_ISSUER, AUTH_JWKS_URL or AUTH_SECRET',
    )
  }
  if (hasIssuer(config) && config.AUTH_AUDIENCE === undefined) {
    warnings.push(
      'AUTH_AUDIENCE is not set: every token of the issuer is accepted, whichever service it was issued for',
    )
  }
  if (nodeVersion.localeCompare(RECOMMENDED_NODE, 'en', { numeric: true }) < 0) {
    warnings.push(`Node ${nodeVersion} is older than ${RECOMMENDED_NODE}, the oldest recommended release`)
  }
  return warnings
}
