/** Statements that are built and compiled once; afterwards only their values vary. */
import type { CompiledQuery, Kysely, RawBuilder } from 'kysely'
import type { Tables } from './tables.ts'

/** Stands for a value while a statement is built. */
class Placeholder {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

const placeholders: unknown = new Proxy({}, { get: (_, name) => new Placeholder(name as string) })

/**
 * The place of a value in a statement. A statement is built before its values are known, so it cannot depend on them.
 * Therefore the type is void, which the compiler rejects in a condition or a comparison.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: undefined could be tested.
export type Place = void

export type Places<Values> = { readonly [Name in keyof Values]-?: Place }

/** Properties of a statement that decide how the driver sends it. */
export interface StatementInfo {
  /** The name under which each connection prepares it; undefined if it is planned for its values each time. */
  name: string | undefined
  /** Whether it takes no locks and changes nothing. */
  isRead: boolean
}

type Query = CompiledQuery & { statement?: StatementInfo }

/** The properties of a query's statement; undefined for a query that was not built here. */
export const statementInfo = (query: CompiledQuery): StatementInfo | undefined => (query as Query).statement

const names = new Map<string, string>()

/** The name of the statement with this text, if it has been used. */
export const statementName = (text: string): string | undefined => names.get(text)

/** The names of the statements used so far, by text, in order of first use. */
export const statementsSoFar = (): ReadonlyMap<string, string> => new Map(names)

type Build<Values> = (places: Places<Values>) => RawBuilder<unknown>

type Run<Values, Result> = (db: Kysely<Tables>, values: Values) => Promise<Result>

/**
 * Creates statements that return one row, at most one, many, or none. `build` is called once, at first use; each
 * variant of a statement's text is a statement of its own. A statement without a name is planned for its values.
 */
function statements(isRead: boolean) {
  const many = <Values, Row>(name: string | undefined, build: Build<Values>): Run<Values, Row[]> => {
    let compiled: Compiled | undefined
    return async (db, values) => {
      compiled ??= compile(db, { name, isRead }, build)
      const { query, order } = compiled
      const parameters = order.map(name => values[name as keyof Values] ?? null)
      return (await db.executeQuery<Row>({ ...query, parameters } as CompiledQuery<Row>)).rows
    }
  }
  const maybe = <Values, Row>(name: string, build: Build<Values>): Run<Values, Row | undefined> => {
    const run = many<Values, Row>(name, build)
    return async (db, values) => (await run(db, values))[0]
  }
  /** For a statement that always returns a row, such as an aggregate. */
  const one = <Values, Row>(name: string, build: Build<Values>): Run<Values, Row> => {
    const run = many<Values, Row>(name, build)
    return async (db, values) => {
      const [row] = await run(db, values)
      if (row === undefined) throw new Error(`The statement ${name} returned no row`)
      return row
    }
  }
  return {
    many,
    maybe,
    one,
    none: maybe as <Values>(name: string, build: Build<Values>) => Run<Values, void>,
  }
}

export const read = statements(true)
/** For statements that lock or change rows. */
export const write = statements(false)

interface Compiled {
  query: Query
  /** The names of the values, in the order of the parameters. */
  order: string[]
}

/** Compiles a statement so that each value is one parameter, however often it occurs. */
function compile<Values>(db: Kysely<Tables>, statement: StatementInfo, build: Build<Values>): Compiled {
  const query = build(placeholders as Places<Values>).compile(db)
  const used = query.parameters.map(parameter => {
    if (parameter instanceof Placeholder) return parameter.name
    throw new TypeError(
      `A statement is built with the value ${parameter}: write it with sql.lit, or pass it as a value`,
    )
  })
  const order = [...new Set(used)]
  const text = query.sql.replaceAll(/\$(\d+)/g, (_, number) => `$${order.indexOf(used[number - 1] as string) + 1}`)
  if (statement.name !== undefined) names.set(text, statement.name)
  return { query: { ...query, sql: text, statement }, order }
}
