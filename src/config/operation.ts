/** The variables for running, monitoring and stopping the service. */
import { integer, oneOf, optional, text } from './parse.ts'
import { type Values, type Variables, variable } from './variable.ts'

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

export const operationVariables = {
  NODE_ENV: variable(
    '',
    text,
    'With `production`, the service does not start without authentication, whatever HOST is.',
  ),
  LOG_LEVEL: variable('info', oneOf(...LOG_LEVELS), `Least severe level to log: ${LOG_LEVELS.join(', ')}.`),
  METRICS_PORT: variable(
    '',
    optional(integer(0, 65535)),
    'TCP port that serves Prometheus metrics at /metrics; 0 picks any free port. If not set, no metrics are served.',
  ),
  METRICS_HOST: variable(
    '127.0.0.1',
    text,
    'Address on which METRICS_PORT is opened. Callers must not be able to reach it.',
  ),
  DRAIN_DELAY: variable(
    '0',
    integer(0, 3600),
    'Seconds after SIGTERM or SIGINT in which /health returns 503 while requests are still served. ' +
      'Behind a load balancer, set it longer than the balancer takes to notice.',
  ),
  SHUTDOWN_TIMEOUT: variable(
    '8',
    integer(0, 3600),
    'Seconds that requests in flight have to finish after SIGTERM or SIGINT and DRAIN_DELAY.',
  ),
} satisfies Variables

/** In milliseconds. */
export const shutdownTimes = (values: Pick<Values<typeof operationVariables>, 'DRAIN_DELAY' | 'SHUTDOWN_TIMEOUT'>) => ({
  drainDelay: values.DRAIN_DELAY * 1000,
  shutdownTimeout: values.SHUTDOWN_TIMEOUT * 1000,
})
