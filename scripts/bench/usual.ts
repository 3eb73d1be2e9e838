/**
 * The usual way: every request through one route into openapi-backend's own router and validation, Kysely on a pool of pg, a
 * transaction for each write. It listens on PORT.
 */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import Fastify, { type FastifyReply } from 'fastify'
import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import { type Context, OpenAPIBackend } from 'openapi-backend'
import pg from 'pg'
import { parse } from 'yaml'
import { createAjv, withoutMappings } from '../../src/contract/load.ts'
import type { Tables } from '../../src/database/tables.ts'

const POOL_SIZE = 10

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: POOL_SIZE })
const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })

const columns = [
  'id',
  'user_id',
  'title',
  'description',
  'completed',
  'completed_at',
  'created_at',
  'updated_at',
  'deleted_at',
  'revision',
] as const

const nextRevision = async (transaction: Transaction<Tables>, userId: string) => {
  const { revision } = await transaction
    .insertInto('user_clock')
    .values({ user_id: userId, revision: 1 })
    .onConflict(conflict => conflict.column('user_id').doUpdateSet({ revision: sql`user_clock.revision + 1` }))
    .returning('revision')
    .executeTakeFirstOrThrow()
  return revision
}

const path = ({ request }: Context) => request.params as { user_id: string; id: string }
const now = () => new Date().toISOString()

const handlers = {
  async getTask(context: Context, reply: FastifyReply) {
    const { user_id, id } = path(context)
    const task = await db
      .selectFrom('task')
      .select(columns)
      .where('user_id', '=', user_id)
      .where('id', '=', id)
      .where('deleted_at', 'is', null)
      .executeTakeFirst()
    return task === undefined ? reply.code(404).send({ code: 'task_not_found' }) : reply.send(task)
  },
  async listTasks(context: Context, reply: FastifyReply) {
    const data = await db
      .selectFrom('task')
      .select(columns)
      .where('user_id', '=', path(context).user_id)
      .where('deleted_at', 'is', null)
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(50)
      .execute()
    return reply.send({ data, next_cursor: null })
  },
  async createTask(context: Context, reply: FastifyReply) {
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
  async completeTask(context: Context, reply: FastifyReply) {
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
  validationFail: (context: Context, reply: FastifyReply) => reply.code(400).send(context.validation.errors),
  notFound: (_context: Context, reply: FastifyReply) => reply.code(404).send(),
  notImplemented: (_context: Context, reply: FastifyReply) => reply.code(501).send(),
}

const { security: _, ...document } = parse(
  await readFile(new URL('../../openapi/openapi.yaml', import.meta.url), 'utf8'),
)
const ajv = createAjv()
const api = new OpenAPIBackend({
  definition: withoutMappings(document),
  handlers: handlers as never,
  quick: true,
  customizeAjv: () => ajv,
})
await api.init()

const app = Fastify()
app.all('/*', (request, reply) =>
  api.handleRequest(
    {
      method: request.method,
      path: request.url.split('?', 1)[0] as string,
      query: request.url.split('?')[1] ?? '',
      body: request.body,
      headers: request.headers as Record<string, string>,
    },
    reply,
  ),
)
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
process.on('SIGTERM', () => process.exit(0))
