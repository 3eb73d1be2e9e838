/** The variables that bound the load. */
import { integer, optional } from './parse.ts'
import { type Variables, variable } from './variable.ts'

export const loadVariables = {
  REQUEST_TIMEOUT: variable('30', integer(1, 3600), 'Seconds within which a request must have arrived completely.'),
  RESPONSE_TIMEOUT: variable(
    '30',
    integer(1, 3600),
    'Seconds from the end of a response until the client must have read it; after that, its connection is closed.',
  ),
  MAX_CONNECTIONS: variable(
    '',
    optional(integer(1, 1_000_000)),
    'Maximum number of open connections. One more replaces the connection that has been idle longest, or is closed ' +
      'if none is idle. If not set, it is what the limit on open files leaves, at most 10,000.',
  ),
  MAX_UNSENT_BYTES: variable(
    `${128 * 1024 * 1024}`,
    integer(1_000_000, 1_000_000_000_000),
    'Maximum number of bytes in responses that wait for clients to read them. Beyond it, the connections with the ' +
      'most unsent bytes are closed. The default is 128 MiB.',
  ),
  MAX_IN_FLIGHT: variable(
    '1000',
    integer(1, 1_000_000),
    'Maximum number of requests in flight that use the database, each until its response is written. ' +
      'One more gets 503 at once.',
  ),
  MAX_EVENT_LOOP_DELAY: variable(
    '1000',
    integer(0, 3_600_000),
    'Maximum delay of the event loop in milliseconds, averaged over a second. Beyond it, requests that use the ' +
      'database get 503 at once. 0 is no limit.',
  ),
} satisfies Variables
