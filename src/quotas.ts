/** How much each user may keep; what is counted is in the row of the user's counter. */
import { Problem } from './contract/problem.ts'

export interface Quotas {
  /** Live tasks. */
  tasks: number
  /** Tombstones; beyond them the oldest are purged. */
  tombstones: number
  /** Bytes of the responses that are kept for idempotency keys. */
  keyBytes: number
}

/** A quota that nobody reaches. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER

/** 409: the user has as many live tasks as are allowed. */
export const tooManyTasks = (quota: number): Problem<'quota_exceeded'> =>
  new Problem('quota_exceeded', `You may have at most ${quota} tasks, without those in the trash. Delete some first.`)

/** 409: the responses kept for the user's idempotency keys take as much as is allowed. */
export const tooManyKeyBytes = (quota: number): Problem<'quota_exceeded'> =>
  new Problem(
    'quota_exceeded',
    `The responses kept for your idempotency keys may take at most ${quota} bytes. ` +
      'Nothing was done; wait until older ones expire, or send the request without a key.',
  )

/** 409: one response is too large to be kept for its idempotency key. */
export const tooLargeToKeep = (limit: number): Problem<'quota_exceeded'> =>
  new Problem(
    'quota_exceeded',
    `The response to a request with an Idempotency-Key may have at most ${limit} bytes, and this one has more. ` +
      'Nothing was done; split the batch.',
  )
