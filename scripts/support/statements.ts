/** Every statement that the service sends, and the plan by which the database carries it out. */
import { type CompiledQuery, type Kysely, sql } from 'kysely'
import type { OperationId } from '../../src/contract/types.ts'
import { statementInfo, statementsSoFar } from '../../src/database/statement.ts'
import type { Tables } from '../../src/database/tables.ts'
import { claim, keep } from '../../src/jobs/lease-queries.ts'
import { purge } from '../../src/jobs/purge.ts'
import { trim } from '../../src/tasks/bulk-queries.ts'
import type { Sort } from '../../src/tasks/sorts.ts'
import { renewEpochs } from '../../src/users/epoch.ts'
import { operations } from './contract.ts'
import { randomUser, type Service } from './service.ts'

export interface Statement {
  /** Who sends it first: an operation of the contract, or work in the background. */
  sender: string
  name: string
  text: string
}

/** A node of `explain (analyze, buffers, format json)`, as far as it is looked at here. */
interface Plan {
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  'Shared Hit Blocks': number
  'Shared Read Blocks': number
  Plans?: Plan[]
}

interface Parameter {
  name: string
  schema: { enum?: string[] }
}

/** Uses the service in every way that makes a statement of its own; returns the statements. */
export async function collectStatements({ call, create, database }: Service): Promise<Statement[]> {
  const tasks = `/api/${randomUser()}/tasks`
  const user = tasks.split('/')[2] as string
  const newTask = () => create(user, { title: 'T', completed: true })
  const { id } = await newTask()
  const path = `${tasks}/${id}`
  const [title, description, completed] = [{ title: 'U' }, { description: 'D' }, { completed: false }]

  const found: Statement[] = []
  const done = new Set<string>()
  const note = (sender: string) => {
    for (const [text, name] of statementsSoFar()) {
      if (!done.has(text)) found.push({ sender, name, text })
      done.add(text)
    }
  }
  const uses: Partial<Record<OperationId, () => Promise<unknown>>> = {
    createTask: newTask,
    getTask: () => call('GET', path),
    async replaceTask() {
      await call('PUT', path, { title: 'V', description: null, completed: true })
    },
    async updateTask() {
      for (const change of [{}, title, description, completed]) await call('PATCH', path, change)
      await call('PATCH', path, { ...title, ...description })
      await call('PATCH', path, { ...title, ...completed })
      await call('PATCH', path, { ...description, ...completed })
    },
    completeTask: () => call('PATCH', `${path}/complete`),
    async listTasks() {
      for (let count = 0; count < 2; count += 1) {
        await newTask()
        await call('DELETE', `${tasks}/${(await newTask()).id}`)
      }
      for (const filter of ['', '&completed=true', '&deleted=true', '&completed=true&deleted=true']) {
        for (const sort of sorts()) {
          const list = `${tasks}?limit=1&sort=${sort}${filter}`
          const { next_cursor } = (await call('GET', list)).body
          await call('GET', `${list}&cursor=${next_cursor}`)
        }
      }
    },
    listChanges: () => call('GET', `/api/${user}/changes`),
    deleteTask: () => call('DELETE', path),
    restoreTask: () => call('POST', `${path}/restore`),
    batchTasks: () => call('POST', `${tasks}/batch`, { items: [{ action: 'complete', id }] }),
    deleteTasks: () => call('DELETE', `${tasks}?completed=true`),
    eraseUser: () => call('DELETE', `/api/${user}?confirm=${user}`),
    getHealth: () => call('GET', '/health'),
  }
  for (const [operationId, use] of Object.entries(uses)) {
    await use()
    note(operationId)
  }
  const deleted = await newTask()
  await call('DELETE', `${tasks}/${deleted.id}`)
  await call('POST', tasks, { id: deleted.id, title: 'T' })
  note('createTask with an id that is taken')
  for (let count = 0; count < 2; count += 1) {
    await call('POST', tasks, { title: 'T' }, { 'idempotency-key': 'key' })
  }
  note('any write with an Idempotency-Key')
  await trim(database.kysely, { userId: user, quota: 0, limit: 1 })
  note('deleting where there are too many tombstones')
  await renewEpochs(database.kysely, () => undefined)
  note('npm run epoch')
  const [name, long] = ['a job', new Date(0).toISOString()]
  await claim(database.kysely, { name, now: long, until: long })
  await keep(database.kysely, { name, held: long, until: long })
  note('jobs that one replica at a time does')
  const inHalfAnHour = { tombstones: -1_800_000, keys: -1_800_000 }
  await purge(database.kysely, inHalfAnHour)
  note('purging')
  return found
}

/** The orders that a client may ask for. */
export function sorts(): Sort[] {
  const list = operations.find(({ operationId }) => operationId === 'listTasks')
  const parameters = (list?.parameters ?? []) as Parameter[]
  return parameters.find(({ name }) => name === 'sort')?.schema.enum as Sort[]
}

/** How a prepared statement is planned: once for all values, or anew for those that it is given. PostgreSQL chooses. */
export const planModes = ['force_generic_plan', 'force_custom_plan'] as const
export type PlanMode = (typeof planModes)[number]

/** The plan that serves all values. */
export const explain = (db: Kysely<Tables>, text: string): Promise<string[]> =>
  explainAs(db, text, 'costs off', 'force_generic_plan', nulls(text))

async function explainAs<Line>(
  db: Kysely<Tables>,
  text: string,
  options: string,
  mode: PlanMode,
  parameters: readonly unknown[],
): Promise<Line[]> {
  const transaction = await db.startTransaction().execute()
  try {
    await sql.raw(`set local plan_cache_mode to ${mode}`).execute(transaction)
    await sql.raw(`prepare explained as ${text}`).execute(transaction)
    const lines = await explainPrepared<Line>(transaction, 'explained', options, parameters)
    await sql.raw('deallocate explained').execute(transaction)
    return lines
  } finally {
    await transaction.rollback().execute()
  }
}

const execute = (name: string, parameters: readonly unknown[]) =>
  `execute ${name}(${parameters.map(literal).join(', ')})`

async function explainPrepared<Line>(
  db: Kysely<Tables>,
  name: string,
  options: string,
  parameters: readonly unknown[],
): Promise<Line[]> {
  const explaining = sql.raw<{ 'QUERY PLAN': Line }>(`explain (${options}) ${execute(name, parameters)}`)
  return (await explaining.execute(db)).rows.map(row => row['QUERY PLAN'])
}

function nulls(text: string): null[] {
  const numbers = Array.from(text.matchAll(/\$(\d+)/g), ([, number]) => Number(number))
  return Array.from({ length: Math.max(...numbers) }, () => null)
}

/** A value as SQL: what the drivers send as text. */
function literal(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return `'{${value.join(',')}}'`
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : `${value}`
}

/** What statements read. */
export interface Reading {
  /** Of the tables, those included that a filter then leaves out. */
  rows: number
  /** Of 8 KiB, of tables and indexes, each time that it is looked at. */
  blocks: number
  /** The names of the statements; undefined is one without a name. */
  names: (string | undefined)[]
}

type Use = (db: Kysely<Tables>) => Promise<unknown>
type Explained = [[{ Plan: Plan }]]
const MEASURED = 'analyze, buffers, format json'

/**
 * Measures the statements that `use` sends, with the values that it sends. What they write is undone, and they return one row without
 * columns.
 */
export const measureReading = (db: Kysely<Tables>, mode: PlanMode, use: Use): Promise<Reading> =>
  measure(db, use, ({ sql: text, parameters }) => explainAs(db, text, MEASURED, mode, parameters) as Promise<Explained>)

/**
 * Prepares the statements that are used on the one connection of `db`, so often that PostgreSQL keeps a plan where it is going to; they
 * can be measured later with that plan.
 */
export function prepareStatements(db: Kysely<Tables>) {
  const prepared = new Map<string, string>()
  return {
    async prepare(use: Use): Promise<void> {
      const preparing = async ({ sql: text, parameters }: CompiledQuery) => {
        const name = prepared.get(text) ?? `prepared_${prepared.size}`
        const transaction = await db.startTransaction().execute()
        if (!prepared.has(text)) await sql.raw(`prepare ${name} as ${text}`).execute(transaction)
        prepared.set(text, name)
        // Five times it plans for the values, before it compares that with a plan for all of them.
        for (let count = 0; count < 7; count += 1) await sql.raw(execute(name, parameters)).execute(transaction)
        await transaction.rollback().execute()
        return { rows: [{}] }
      }
      await use(intercepted(db, preparing))
    },
    measure: (use: Use): Promise<Reading> =>
      measure(db, use, async ({ sql: text, parameters }) => {
        const transaction = await db.startTransaction().execute()
        const lines = await explainPrepared(transaction, prepared.get(text) as string, MEASURED, parameters)
        await transaction.rollback().execute()
        return lines as Explained
      }),
  }
}

async function measure(db: Kysely<Tables>, use: Use, explain: (query: CompiledQuery) => Promise<Explained>) {
  const reading: Reading = { rows: 0, blocks: 0, names: [] }
  const measuring = async (query: CompiledQuery) => {
    const [[{ Plan: plan }]] = await explain(query)
    reading.rows += rowsRead(plan)
    reading.blocks += plan['Shared Hit Blocks'] + plan['Shared Read Blocks']
    reading.names.push(statementInfo(query)?.name)
    return { rows: [{}] }
  }
  await use(intercepted(db, measuring))
  return reading
}

function rowsRead(plan: Plan): number {
  const { 'Actual Loops': loops, 'Actual Rows': rows, 'Relation Name': table } = plan
  const { 'Rows Removed by Filter': filtered = 0, 'Rows Removed by Index Recheck': rechecked = 0 } = plan
  const own = table === undefined ? 0 : loops * (rows + filtered + rechecked)
  return own + (plan.Plans ?? []).reduce((sum, child) => sum + rowsRead(child), 0)
}

type ExecuteQuery = (query: CompiledQuery) => Promise<{ rows: unknown[] }>

const intercepted = (db: Kysely<Tables>, executeQuery: ExecuteQuery): Kysely<Tables> =>
  new Proxy(db, {
    get(target, name) {
      const member = Reflect.get(target, name, target)
      if (name === 'executeQuery') return executeQuery
      return typeof member === 'function' ? member.bind(target) : member
    },
  })

/** Makes tasks and keys of many users, and lets the database count them: as many as it counts without leaving any out. */
export async function seed(db: Kysely<Tables>): Promise<void> {
  await sql`insert into user_clock (user_id, revision) select 'user ' || number, 100 from generate_series(1, 20000) as number`.execute(
    db,
  )
  await sql`
    insert into task (user_id, id, title, completed, completed_at, created_at, updated_at, deleted_at, revision)
    select 'user ' || number % 200, gen_random_uuid(), md5(number::text), number % 3 = 0, case when number % 3 = 0 then now() end,
      now() - number * interval '1 minute', now() - number * interval '1 second',
      case when number % 10 = 0 then now() - number * interval '1 minute' end, number / 200
    from generate_series(1, 20000) as number`.execute(db)
  await sql`
    insert into idempotency_key (user_id, key, fingerprint, created_at)
    select 'user ' || number % 200, md5(number::text), '', now() - number * interval '1 minute' from generate_series(1, 20000) as number`.execute(
    db,
  )
  await sql`vacuum analyze`.execute(db)
}
