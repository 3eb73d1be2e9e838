/** The queries of pipelined connections, and how their rows are read. */
import pg from 'pg'
import type { Done, Statement } from './pipeline.ts'
import { parsers } from './values.ts'

/** pg's parsers, except that timestamps and bigints get the contract's form. */
export const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => parsers[oid as keyof typeof parsers] ?? pg.types.getTypeParser(oid, format as 'text'),
}

// @types/pg does not declare them.
const { prepareValue } = (pg as unknown as { utils: { prepareValue(value: unknown): unknown } }).utils
const { prepare } = pg.Query.prototype as unknown as { prepare(connection: pg.Connection): void }

/** How rows are read: a parser for each value, and what builds the object. */
interface Reader {
  parsers: ((text: string) => unknown)[]
  toRow: ToRow
}

/** The readers of the prepared statements of each connection, by name. */
const readers = new WeakMap<pg.Connection, Map<string, Reader>>()

/**
 * A query that builds the objects of its rows itself: pg copies a template for each row, which yields objects that are
 * slow to serialise as JSON. It passes text and values to pg, which would copy a configuration object member by member.
 *
 * It has the server describe the rows of a prepared statement once per connection: they never change, because
 * PostgreSQL refuses to execute a statement whose rows would.
 */
export class SharedQuery extends pg.Query {
  declare name: string | undefined
  declare handleError: (error: Error, connection: pg.Connection) => void
  readonly #values: unknown[]
  readonly #rows: unknown[] = []
  #reader: Reader | undefined
  #onDescribed: (reader: Reader) => void = () => undefined

  constructor({ text, values, name }: Statement, done: Done) {
    super(text, values, (error, result) => done(error, { rows: this.#rows, rowCount: result?.rowCount } as never))
    this.name = name
    this.#values = values
  }

  /** Sends it. pg calls this for a statement with a name or values. */
  prepare(connection: pg.Connection): void {
    const { name } = this
    const known = readersOf(connection)
    this.#reader = name === undefined ? undefined : known.get(name)
    if (this.#reader !== undefined) {
      this.#bindAndExecute(connection)
      return
    }
    if (name !== undefined) this.#onDescribed = reader => known.set(name, reader)
    prepare.call(this, connection)
  }

  #bindAndExecute(connection: pg.Connection): void {
    try {
      const values = this.#values as string[]
      connection.bind({ statement: this.name, values, valueMapper: prepareValue }, false)
      connection.execute({}, false)
      connection.sync()
    } catch (error) {
      // Before the error is handled, which may end the connection.
      connection.sync()
      this.handleError(error as Error, connection)
    }
  }

  handleRowDescription({ fields }: { fields: { name: string; dataTypeID: number }[] }): void {
    this.#reader = {
      toRow: toRowOf(fields.map(({ name }) => name)),
      parsers: fields.map(({ dataTypeID }) => types.getTypeParser(dataTypeID, 'text')),
    }
    this.#onDescribed(this.#reader)
  }

  handleDataRow({ fields: values }: { fields: unknown[] }): void {
    const { parsers, toRow } = this.#reader as Reader
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index] as string | null
      if (value !== null) values[index] = parsers[index]?.(value)
    }
    this.#rows.push(toRow(values))
  }
}

function readersOf(connection: pg.Connection): Map<string, Reader> {
  const known = readers.get(connection) ?? new Map<string, Reader>()
  readers.set(connection, known)
  return known
}

type ToRow = (values: unknown[]) => unknown

const toRows = new Map<string, ToRow>()

/** A compiled object literal with these names: V8 creates such an object at once instead of adding names one by one. */
function toRowOf(names: string[]): ToRow {
  const key = names.join('\0')
  const known = toRows.get(key)
  if (known !== undefined) return known
  const members = names.map((name, index) => `${JSON.stringify(name)}: values[${index}]`)
  const toRow = new Function('values', `return { ${members} }`) as ToRow
  toRows.set(key, toRow)
  return toRow
}
