/** The queries of pipelined connections, and how their rows are read. */
import pg from 'pg'
import type { Done, Statement } from './pipeline.ts'
import { parsers } from './values.ts'

/** pg's parsers, except that timestamps and bigints get the contract's form. */
export const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => parsers[oid as keyof typeof parsers] ?? pg.types.getTypeParser(oid, format as 'text'),
}

/**
 * A query that builds the objects of its rows itself: pg copies a template for each row, which yields objects that are
 * slow to serialise as JSON. It passes text and values to pg, which would copy a configuration object member by member.
 */
export class SharedQuery extends pg.Query {
  declare name: string | undefined
  readonly #rows: unknown[] = []
  #toRow!: ToRow
  #parsers!: ((text: string) => unknown)[]

  constructor({ text, values, name }: Statement, done: Done) {
    super(text, values, (error, result) => done(error, { rows: this.#rows, rowCount: result?.rowCount } as never))
    this.name = name
  }

  handleRowDescription({ fields }: { fields: { name: string; dataTypeID: number }[] }): void {
    this.#toRow = toRowOf(fields.map(({ name }) => name))
    this.#parsers = fields.map(({ dataTypeID }) => types.getTypeParser(dataTypeID, 'text'))
  }

  handleDataRow({ fields: values }: { fields: unknown[] }): void {
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index] as string | null
      if (value !== null) values[index] = this.#parsers[index]?.(value)
    }
    this.#rows.push(this.#toRow(values))
  }
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
