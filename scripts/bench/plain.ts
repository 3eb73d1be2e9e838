/**
 * The plain way, which does less: each write is one statement, and every task keeps its first revision, so ETags and a
 * change feed are impossible.
 */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { columns, db, now, path, serve } from './catch-all.ts'

await serve({
  async createTask(context, reply) {
    const { title, description = null } = context.request.requestBody
    const time = now()
    const task = await db
      .insertInto('task')
      .values({
        user_id: path(context).user_id,
        id: randomUUID(),
        title,
        description,
        completed: false,
        completed_at: null,
        created_at: time,
        updated_at: time,
        revision: 1,
      })
      .returning(columns)
      .executeTakeFirstOrThrow()
    return reply.code(201).send(task)
  },
  async setTaskCompletion(context, reply) {
    const { user_id, id } = path(context)
    const time = now()
    const task = await db
      .updateTable('task')
      .set({
        completed: sql`not completed`,
        completed_at: sql`case when completed then null else ${time}::timestamptz end`,
        updated_at: time,
      })
      .where('user_id', '=', user_id)
      .where('id', '=', id)
      .returning(columns)
      .executeTakeFirst()
    return task === undefined ? reply.code(404).send({ code: 'task_not_found' }) : reply.send(task)
  },
})
