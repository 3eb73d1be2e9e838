/** Statements that are built and compiled once: from then on only their values vary. */
import type { Compilable, CompiledQuery, Kysely, RawBuilder } from 'kysely'
import type { Tables } from './tables.ts'

/** Stands for a value while a statement is built. */
class Placeholder {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

const placeholders: unknown = new Proxy({}, { get: (_, name) => new Placeholder(name as string) })

/** What the driver knows of a statement. */
export interface StatementInfo {
  /** Unique; PostgreSQL keeps the plan under it, for each connection. */
  name: string
  /** It takes no locks and changes nothing. */
  isRead: boolean
}

const known = new Map<string, StatementInfo>()

/** Of a statement made here, by its text. */
export const statementInfo = (text: string): StatementInfo | undefined => known.get(text)

/** Those that were used so far, by their texts, in the order of their first use. */
export const statementsSoFar = (): ReadonlyMap<string, StatementInfo> => new Map(known)

type Run<Values, Row> = (db: Kysely<Tables>, values: Values) => Promise<Row[]>

/**
 * Makes a statement. `build` is called once, at the first use, and gets placeholders in place of the values: they can be put into the
 * statement, and nothing can be decided by them. What a statement's shape depends on makes it another statement.
 */
export const read = <Values, Row>(
  name: string,
  build: (db: Kysely<Tables>, values: Values) => Compilable<Row> | RawBuilder<Row>,
): Run<Values, Row> => statement({ name, isRead: true }, build)

/** The same for what locks or changes rows. */
export const write = <Values, Row>(
  name: string,
  build: (db: Kysely<Tables>, values: Values) => Compilable<Row> | RawBuilder<Row>,
): Run<Values, Row> => statement({ name, isRead: false }, build)

function statement<Values, Row>(
  info: StatementInfo,
  build: (db: Kysely<Tables>, values: Values) => Compilable<Row> | RawBuilder<Row>,
): Run<Values, Row> {
  let compiled: CompiledQuery<Row> | undefined
  const compile = (db: Kysely<Tables>) => {
    const query: CompiledQuery<Row> = build(db, placeholders as Values).compile(db)
    known.set(query.sql, info)
    return query
  }
  return async (db, values) => {
    compiled ??= compile(db)
    const parameters = compiled.parameters.map(parameter =>
      parameter instanceof Placeholder ? values[parameter.name as keyof Values] : parameter,
    )
    return (await db.executeQuery<Row>({ ...compiled, parameters })).rows
  }
}

/** Statements of several shapes: `make` is called once for each. */
export function perShape<Shape extends readonly (string | boolean)[], Statement>(
  make: (...shape: Shape) => Statement,
): (...shape: Shape) => Statement {
  const made = new Map<string, Statement>()
  return (...shape) => {
    const key = shape.join(' ')
    const known = made.get(key)
    if (known !== undefined) return known
    const statement = make(...shape)
    made.set(key, statement)
    return statement
  }
}
