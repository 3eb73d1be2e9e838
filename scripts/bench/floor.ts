/**
 * The floor: what Fastify and PostgreSQL can do with nothing between them. Hand-written routes, named statements on two
 * pipelined connections, values as PostgreSQL sends them; no contract, no validation, no error handling.
 */
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import pg from 'pg'
import { SESSION_FORMAT, setStatements } from '../../src/database/session.ts'
import { parsers } from '../../src/database/values.ts'

const CONNECTIONS = 2

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => parsers[oid as keyof typeof parsers] ?? pg.types.getTypeParser(oid, format as 'text'),
}
const clients = await Promise.all(
  Array.from({ length: CONNECTIONS }, async () => {
    const client = new pg.Client({
      connectionString: process.env.DATABASE_URL,
      types,
      pipeline: true,
    } as pg.ClientConfig)
    await client.connect()
    await client.query(setStatements(SESSION_FORMAT))
    return client
  }),
)
let next = 0
const query = (name: string, text: string, values: unknown[]) =>
  (clients[next++ % CONNECTIONS] as pg.Client).query({ name, text, values })

const names =
  'id user_id title description completed due start tags position completed_at created_at updated_at deleted_at revision'
const columns = (table: string) =>
  names
    .split(' ')
    .map(name => `${table}.${name}`)
    .concat(`(array['none', 'low', 'medium', 'high', 'urgent'])[${table}.priority + 1] as priority`)
    .join(', ')

interface Path {
  user_id: string
  id: string
}

const app = Fastify()

app.get('/api/:user_id/tasks/:id', async (request, reply) => {
  const { user_id, id } = request.params as Path
  const { rows } = await query(
    'get',
    `select ${columns('task')} from task where user_id = $1 and id = $2 and deleted_at is null`,
    [user_id, id],
  )
  return reply
    .header('content-type', 'application/json')
    .header('etag', `"${rows[0].revision}"`)
    .send(JSON.stringify(rows[0]))
})

const firstPage = (state: string) => `
  select ${columns('task')} from task where user_id = $1 and ${state} and deleted_at is null
  order by created_at desc, id desc limit 51`

app.get('/api/:user_id/tasks', async (request, reply) => {
  const { user_id } = request.params as Path
  const { rows } = await query(
    'list',
    `(${firstPage('not completed')}) union all (${firstPage('completed')}) order by created_at desc, id desc limit 51`,
    [user_id],
  )
  const data = rows.slice(0, 50)
  return reply.header('content-type', 'application/json').send(JSON.stringify({ data, next_cursor: null }))
})

app.post('/api/:user_id/tasks', async (request, reply) => {
  const { user_id } = request.params as Path
  const { title, description = null } = request.body as { title: string; description?: string }
  const { rows } = await query(
    'create',
    `with clock as (
      insert into user_clock as c (user_id, revision) values ($1, 1)
      on conflict (user_id) do update set revision = c.revision + 1 returning revision
    )
    insert into task as t (user_id, id, title, description, completed, created_at, updated_at, revision)
    select $1, $2::uuid, $3, $4, false, $5::timestamptz, $5::timestamptz, clock.revision from clock
    returning ${columns('t')}`,
    [user_id, randomUUID(), title, description, new Date().toISOString()],
  )
  return reply.code(201).header('content-type', 'application/json').send(JSON.stringify(rows[0]))
})

app.patch('/api/:user_id/tasks/:id/complete', async (request, reply) => {
  const { user_id, id } = request.params as Path
  const { rows } = await query(
    'toggle',
    `with stored as (
      select id from task where user_id = $1 and id = $2 and deleted_at is null for update
    ), clock as (
      update user_clock set revision = revision + 1 where user_id = $1 and exists (select from stored) returning revision
    )
    update task as t set completed = not t.completed, completed_at = case when t.completed then null else $3::timestamptz end,
      updated_at = $3::timestamptz, revision = clock.revision
    from clock where t.user_id = $1 and t.id = $2 returning ${columns('t')}`,
    [user_id, id, new Date().toISOString()],
  )
  return reply.header('content-type', 'application/json').send(JSON.stringify(rows[0]))
})

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
process.on('SIGTERM', () => process.exit(0))
