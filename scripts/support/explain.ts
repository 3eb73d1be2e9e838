/** How the database carries out a statement: its plan, and what it reads. */
import { type CompiledQuery, type Kysely, sql } from 'kysely'
import { statementInfo } from '../../src/database/statement.ts'
import type { Tables } from '../../src/database/tables.ts'

/** A node of `explain (analyze, buffers, format json)`. */
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
 * Measures the statements that `use` sends, with the values that it sends. What they write is undone, and they return
 * one row without columns.
 */
export const measureReading = (db: Kysely<Tables>, mode: PlanMode, use: Use): Promise<Reading> =>
  measure(db, use, ({ sql: text, parameters }) => explainAs(db, text, MEASURED, mode, parameters) as Promise<Explained>)

/**
 * Prepares the statements that are used on the one connection of `db`, so often that PostgreSQL keeps a plan where it
 * is going to; they can be measured later with that plan.
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

/**
 * On a Citus cluster, in how many parts each statement that `use` sends is carried out, each on the server of a shard.
 * None are executed, and they return one row without columns.
 */
export async function countParts(db: Kysely<Tables>, use: Use): Promise<number[]> {
  const counts: number[] = []
  const counting = async ({ sql: text, parameters }: CompiledQuery) => {
    const lines = await explainAs<string>(db, text, 'costs off', 'force_custom_plan', parameters)
    const parts = Array.from(lines.join('\n').matchAll(/Task Count: (\d+)/g), ([, count]) => Number(count))
    counts.push(parts.reduce((sum, count) => sum + count, 0))
    return { rows: [{}] }
  }
  await use(intercepted(db, counting))
  return counts
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
