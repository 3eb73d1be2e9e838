/** What is safe to start with. */

import { StartError } from '../process/start-error.ts'
import { hasAuthentication, hasIssuer } from './authentication.ts'
import { isLoopback } from './loopback.ts'
import type { Config } from './variables.ts'

/**
 * Refuses to serve other machines, or to serve in production, without authentication.
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
      `Without authentication HOST must be of this machine only, and not ${JSON.stringify(config.HOST)}. ` +
        `${toSet}, or HOST to 127.0.0.1.`,
    )
  }
}

/** The oldest Node release recommended for serving. For a trial, any release that package.json allows will do. */
const RECOMMENDED_NODE = '24.22.1'

/**
 * What an operator should change although the service starts.
 * @param nodeVersion as in `process.versions.node`
 */
export function startWarnings(config: Config, nodeVersion: string): string[] {
  const warnings: string[] = []
  if (!hasAuthentication(config)) {
    warnings.push(
      `no authentication: everybody on ${config.HOST} reads and writes everything; ` +
        'AUTH_ISSUER, AUTH_JWKS_URL or AUTH_SECRET change that',
    )
  }
  if (hasIssuer(config) && config.AUTH_AUDIENCE === undefined) {
    warnings.push(
      'AUTH_AUDIENCE is not set: every token of the issuer is accepted, whichever service it was issued for',
    )
  }
  if (nodeVersion.localeCompare(RECOMMENDED_NODE, 'en', { numeric: true }) < 0) {
    warnings.push(`Node ${nodeVersion} is older than ${RECOMMENDED_NODE}, the oldest release that is recommended`)
  }
  return warnings
}
