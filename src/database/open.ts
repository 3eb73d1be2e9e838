/** The database that the configuration asks for: PostgreSQL with DATABASE_URL, otherwise PGlite in DATA_DIR. */

import type { FastifyBaseLogger } from 'fastify'
import type { Kysely } from 'kysely'
import { openPGlite } from './pglite.ts'
import { openPostgres } from './postgres.ts'
import type { Tables } from './tables.ts'

export interface Database {
  readonly kysely: Kysely<Tables>
  /** Whether the schema is there; until then nothing but health and validation can be answered. */
  readonly ready: boolean
  /** Which database and where, for people; without credentials. */
  readonly description: string
  /**
   * Brings the schema up to date, waiting for a database that is not there yet; aborting `signal` ends the waiting.
   * @throws StartError where waiting would not help
   */
  prepare(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

export interface DatabaseConfig {
  databaseUrl: string | undefined
  dataDir: string
  poolSize: number
}

/** @throws StartError where DATA_DIR cannot be used */
export async function openDatabase(config: DatabaseConfig, log: FastifyBaseLogger): Promise<Database> {
  return config.databaseUrl === undefined
    ? openPGlite(config.dataDir)
    : openPostgres(config.databaseUrl, config.poolSize, log)
}
