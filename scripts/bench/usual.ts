/**
 * The usual way to do what the service does: each write takes its user's next revision, so it is a transaction of two
 * statements. With BEGIN and COMMIT that makes four round trips, during which the connection is not free for others.
 */
import { randomUUID } from 'node:crypto'
import { sql, type Transaction } from 'kysely'
import type { Tables } from '../../src/database/tables.ts'
import { columns, db, now, path, serve } from './catch-all.ts'

const nextRevision = async (transaction: Transaction<Tables>, userId: string) => {
  const { revision } = await transaction
    .insertInto('user_clock')
    .values({ user_id: userId, revision: 1 })
    .onConflict(conflict => conflict.column('user_id').doUpdateSet({ revision: sql`user_clock.revision + 1` }))
    .returning('revision')
    .executeTakeFirstOrThrow()
  return revision
}

await serve({
  async createTask(context, reply) {
    const { user_id } = path(context)
    const { title, description = null } = context.request.requestBody
    const task = await db.transaction().execute(async transaction => {
      const revision = await nextRevision(transaction, user_id)
      const times = { created_at: now(), updated_at: now() }
      return transaction
        .insertInto('task')
        .values({
          user_id,
          id: randomUUID(),
          title,
          description,
          completed: false,
          completed_at: null,
          ...times,
          revision,
        })
        .returning(columns)
        .executeTakeFirstOrThrow()
    })
    return reply.code(201).send(task)
  },
  async setTaskCompletion(context, reply) {
    const { user_id, id } = path(context)
    const task = await db.transaction().execute(async transaction => {
      const revision = await nextRevision(transaction, user_id)
      return transaction
        .updateTable('task')
        .set({
          completed: sql`not completed`,
          completed_at: sql`case when completed then null else ${now()}::timestamptz end`,
          updated_at: now(),
          revision,
        })
        .where('user_id', '=', user_id)
        .where('id', '=', id)
        .returning(columns)
        .executeTakeFirst()
    })
    return task === undefined ? reply.code(404).send({ code: 'task_not_found' }) : reply.send(task)
  },
})
