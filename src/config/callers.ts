/** The variables of rate limits, proxies and browsers. */
import { addresses, integer, optional, origins } from './parse.ts'
import { type Values, type Variables, variable } from './variable.ts'

/** Requests per minute and user, if RATE_LIMIT is not set and callers are authenticated. */
export const DEFAULT_RATE_LIMIT = 1200

export const callerVariables = {
  RATE_LIMIT: variable(
    '',
    optional(integer(0, 1_000_000)),
    'Maximum number of requests per minute and user; each replica counts for itself. 0 is no limit. ' +
      `If not set, it is ${DEFAULT_RATE_LIMIT} with authentication and 0 without.`,
  ),
  ADDRESS_RATE_LIMIT: variable(
    '600',
    integer(0, 1_000_000),
    'Maximum number of requests per minute without a valid token from one address (IPv6: one /64). Beyond it, ' +
      'tokens from that address are refused, too, unless they were verified before. 0 is no limit.',
  ),
  TRUST_PROXY: variable(
    '',
    optional(addresses),
    'Addresses or networks of the proxies in front, separated by commas. X-Forwarded-For, -Host and -Proto are ' +
      'believed only from them.',
  ),
  CORS_ORIGINS: variable(
    '',
    optional(origins),
    'Origins whose pages may call the service from a browser, separated by commas, such as https://app.example.org.',
  ),
} satisfies Variables

/** Requests per minute of each user, and of each address without a valid token; 0 is no limit. */
export const rateLimits = (values: Values<typeof callerVariables>, isAuthenticated: boolean) => ({
  user: values.RATE_LIMIT ?? (isAuthenticated ? DEFAULT_RATE_LIMIT : 0),
  address: values.ADDRESS_RATE_LIMIT,
})
