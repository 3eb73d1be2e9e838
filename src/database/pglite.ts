/** PGlite: PostgreSQL inside this process, its files in a folder. */
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { Kysely, PGliteDialect } from 'kysely'
import { StartError } from '../start-error.ts'
import { lockFolder } from './lock.ts'
import { migrateUp } from './migrate.ts'
import type { Database } from './open.ts'
import type { Tables } from './tables.ts'
import { parsers } from './values.ts'

/** The major version of PostgreSQL that PGlite brings: it opens no other's files. */
export const PGLITE_MAJOR_VERSION = '18'

/**
 * Opens the database in `dataDir`, making it where it is new.
 * @throws StartError where the folder cannot be used or belongs to another process
 */
export async function openPGlite(dataDir: string): Promise<Database> {
  const folder = resolve(dataDir)
  const unlock = await lockFolder(folder)
  try {
    const pglite = await openFiles(folder)
    const kysely = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }) })
    let ready = false
    return {
      kysely,
      get ready() {
        return ready
      },
      description: `PGlite in ${folder}`,
      async prepare() {
        await migrateUp(kysely)
        ready = true
      },
      async close() {
        await kysely.destroy()
        unlock()
      },
    }
  } catch (error) {
    unlock()
    throw error
  }
}

/** A new database is made beside its place and moved there whole: a crash while it is made leaves nothing half done. */
async function openFiles(folder: string): Promise<PGlite> {
  const files = join(folder, 'pglite')
  const version = await readVersion(files)
  if (version === undefined) {
    const unfinished = join(folder, 'pglite.new')
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(unfinished)
    const made = await PGlite.create(unfinished)
    await made.close()
    await rename(unfinished, files)
  } else if (version !== PGLITE_MAJOR_VERSION) {
    throw new StartError(
      `The database in ${files} was made by PostgreSQL ${version}, and this PGlite opens only those of ${PGLITE_MAJOR_VERSION}. ` +
        'Move the tasks over with the version that made it, or set DATA_DIR to another folder.',
    )
  }
  return PGlite.create(files, { parsers })
}

async function readVersion(files: string): Promise<string | undefined> {
  try {
    return (await readFile(join(files, 'PG_VERSION'), 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new StartError(`The data folder cannot be read: ${(error as Error).message}.`)
  }
}
