/**
 * What usual.ts and plain.ts share: one route that passes every request to openapi-backend's own router and validation,
 * Kysely on a pg pool, and the reads. They differ in how they write.
 */
import { readFile } from 'node:fs/promises'
import Fastify, { type FastifyReply } from 'fastify'
import { Kysely, PostgresDialect } from 'kysely'
import { type Context, OpenAPIBackend } from 'openapi-backend'
import pg from 'pg'
import { parse } from 'yaml'
import { createAjv, withoutMappings } from '../../src/contract/load.ts'
import type { Tables } from '../../src/database/tables.ts'

const POOL_SIZE = 10

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: POOL_SIZE })
export const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })

export const columns = [
  'id',
  'user_id',
  'title',
  'description',
  'completed',
  'due',
  'start',
  'priority',
  'tags',
  'position',
  'completed_at',
  'created_at',
  'updated_at',
  'deleted_at',
  'revision',
] as const

export const path = ({ request }: Context) => request.params as { user_id: string; id: string }
export const now = () => new Date().toISOString()

type Handler = (context: Context, reply: FastifyReply) => unknown

const reads = {
  async getTask(context, reply) {
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
  async listTasks(context, reply) {
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
} satisfies Record<string, Handler>

const refusals = {
  validationFail: (context, reply) => reply.code(400).send(context.validation.errors),
  notFound: (_context, reply) => reply.code(404).send(),
  notImplemented: (_context, reply) => reply.code(501).send(),
} satisfies Record<string, Handler>

/** Listens on PORT. */
export async function serve(writes: Record<'createTask' | 'setTaskCompletion', Handler>): Promise<void> {
  const { security: _, ...document } = parse(
    await readFile(new URL('../../openapi/openapi.gen.yaml', import.meta.url), 'utf8'),
  )
  const ajv = createAjv()
  const api = new OpenAPIBackend({
    definition: withoutMappings(document),
    handlers: { ...reads, ...writes, ...refusals } as never,
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
}
