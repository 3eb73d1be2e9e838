/**
 * `npm run forget -- <user_id>`: erases a user and everything stored for that user; it may be repeated at any time.
 */
import { erasePart } from '../users/erase.ts'
import { withDatabase } from './with-database.ts'

const [userId, ...more] = process.argv.slice(2)
if (userId === undefined || more.length > 0) {
  console.error('Usage: npm run forget -- <user_id>, for example: npm run forget -- alice')
  process.exit(1)
}

await withDatabase(async ({ kysely }) => {
  const erased = { tasks: 0, keys: 0 }
  for (let hasMore = true; hasMore; ) {
    const part = await erasePart(kysely, userId)
    hasMore = part.hasMore
    erased.tasks += part.tasks
    erased.keys += part.keys
    console.log(`${erased.tasks} tasks and ${erased.keys} idempotency keys erased`)
  }
})
