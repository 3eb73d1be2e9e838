/** Kysely's dialect for PostgreSQL: single statements share connections, each transaction has its own. */
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  PostgresDialect,
  PostgresDriver,
  type PostgresPool,
  type QueryResult,
  type TransactionSettings,
} from 'kysely'
import type pg from 'pg'

export interface SharingOptions {
  /** Sends a single statement on a shared connection. */
  share(query: CompiledQuery): Promise<pg.QueryResult>
  /** Connections for transactions. */
  pool: PostgresPool
  close(): Promise<void>
}

export class SharingDialect extends PostgresDialect {
  readonly #options: SharingOptions

  constructor(options: SharingOptions) {
    super({ pool: options.pool })
    this.#options = options
  }

  override createDriver(): Driver {
    return new SharingDriver(this.#options)
  }
}

/** Kysely acquires a connection before it begins a transaction, so it gets an object that can still become either. */
class SharingDriver implements Driver {
  readonly #options: SharingOptions
  readonly #transactions: PostgresDriver
  /** Unused objects are reused, because Kysely remembers each one it has seen. */
  readonly #free: SharingConnection[] = []

  constructor(options: SharingOptions) {
    this.#options = options
    this.#transactions = new PostgresDriver({ pool: options.pool })
  }

  init(): Promise<void> {
    return this.#transactions.init()
  }

  async acquireConnection(): Promise<SharingConnection> {
    return this.#free.pop() ?? new SharingConnection(this.#options.share)
  }

  async beginTransaction(connection: SharingConnection, settings: TransactionSettings): Promise<void> {
    // A second transaction on a connection that the caller holds gets the same one.
    connection.own ??= (await this.#transactions.acquireConnection()) as OwnConnection
    await this.#transactions.beginTransaction(connection.own, settings)
  }

  commitTransaction({ own }: SharingConnection): Promise<void> {
    return this.#transactions.commitTransaction(own as OwnConnection)
  }

  rollbackTransaction({ own }: SharingConnection): Promise<void> {
    return this.#transactions.rollbackTransaction(own as OwnConnection)
  }

  async releaseConnection(connection: SharingConnection): Promise<void> {
    const { own } = connection
    connection.own = undefined
    this.#free.push(connection)
    if (own !== undefined) await this.#transactions.releaseConnection(own)
  }

  async destroy(): Promise<void> {
    await Promise.all([this.#options.close(), this.#transactions.destroy()])
  }
}

/** The connection that Kysely's driver acquires and releases. */
type OwnConnection = Parameters<PostgresDriver['releaseConnection']>[0]

class SharingConnection implements DatabaseConnection {
  readonly #share: SharingOptions['share']
  /** The transaction's connection; undefined outside of a transaction. */
  own: OwnConnection | undefined

  constructor(share: SharingOptions['share']) {
    this.#share = share
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.own !== undefined) return this.own.executeQuery(query)
    const { rows, rowCount } = await this.#share(query)
    return { rows, numAffectedRows: BigInt(rowCount ?? 0) }
  }

  streamQuery(): never {
    throw new Error('Results are not streamed: all of them are bounded.')
  }
}
