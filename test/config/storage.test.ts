/** The quotas of each user. */
import t from 'tap'
import { quotas, UNLIMITED } from '../../src/config/storage.ts'

t.test('a quota of 0 means no limit', async t => {
  const all = (quota: number) => ({ QUOTA_TASKS: quota, QUOTA_TRASH: quota, QUOTA_IDEMPOTENCY_BYTES: quota })
  t.same(quotas(all(7)), { tasks: 7, tombstones: 7, keyBytes: 7 })
  t.same(quotas(all(0)), { tasks: UNLIMITED, tombstones: UNLIMITED, keyBytes: UNLIMITED })
})
