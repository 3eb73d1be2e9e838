/** The variables of quotas, retention and purging. */
import { integer } from './parse.ts'
import { type Values, type Variables, variable } from './variable.ts'

const retentionVariables = {
  TOMBSTONE_RETENTION: variable(
    `${30 * 24 * 60 * 60}`,
    integer(1, 1_000_000_000),
    'Seconds for which a deleted task can be restored and is reported to clients that synchronise. ' +
      'The default is 30 days.',
  ),
  IDEMPOTENCY_TTL: variable(
    `${24 * 60 * 60}`,
    integer(1, 1_000_000_000),
    'Seconds for which the response to a request with an Idempotency-Key is kept. The default is 24 hours.',
  ),
} satisfies Variables

const quotaVariables = {
  QUOTA_TASKS: variable(
    '100000',
    integer(0, 1_000_000_000),
    'Maximum number of tasks per user, without those in the trash. 0 is no limit.',
  ),
  QUOTA_TRASH: variable(
    '100000',
    integer(0, 1_000_000_000),
    'Maximum number of deleted tasks kept per user. Beyond it, the oldest are deleted for good. 0 is no limit.',
  ),
  QUOTA_IDEMPOTENCY_BYTES: variable(
    `${100 * 1024 * 1024}`,
    integer(0, Number.MAX_SAFE_INTEGER),
    "Maximum number of bytes in the responses kept for a user's idempotency keys. 0 is no limit.",
  ),
} satisfies Variables

export const storageVariables = {
  ...retentionVariables,
  ...quotaVariables,
  PURGE_INTERVAL: variable(
    '600',
    integer(0, 1_000_000),
    'Seconds between two purges, in each of which one replica deletes expired data. 0 leaves that to `npm run purge`.',
  ),
} satisfies Variables

/** In milliseconds. */
export const retention = (values: Values<typeof retentionVariables>) => ({
  tombstones: values.TOMBSTONE_RETENTION * 1000,
  keys: values.IDEMPOTENCY_TTL * 1000,
})

/** The quota if 0 is configured; no user can reach it. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER

export const quotas = (values: Values<typeof quotaVariables>) => ({
  tasks: values.QUOTA_TASKS || UNLIMITED,
  tombstones: values.QUOTA_TRASH || UNLIMITED,
  keyBytes: values.QUOTA_IDEMPOTENCY_BYTES || UNLIMITED,
})
