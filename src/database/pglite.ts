/** PGlite: PostgreSQL inside this process, with its files in a folder. */
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { Kysely, PGliteDialect } from 'kysely'
import type { Logger } from 'pino'
import { StartError } from '../process/start-error.ts'
import { lockFolder } from './lock.ts'
import { SESSION_FORMAT, setStatements } from './session.ts'
import { maintainPeriodically } from './statistics.ts'
import type { Store } from './store.ts'
import type { Tables } from './tables.ts'
import { parsers } from './values.ts'

/** The major version of PostgreSQL in PGlite, which cannot open the files of any other. */
const PGLITE_MAJOR_VERSION = '18'

/**
 * PGlite reads every value with a TextDecoder without options, which drops a leading U+FEFF as a byte order mark: a
 * task would not come back as it was sent. PGlite has no setting for this, so the default changes for this process.
 */
class TextDecoderKeepingBom extends TextDecoder {
  constructor(encoding?: string, options?: ConstructorParameters<typeof TextDecoder>[1]) {
    super(encoding, { ignoreBOM: true, ...options })
  }
}

/** Milliseconds between two checks for tables that need vacuuming or analyzing. */
const MAINTENANCE_INTERVAL = 10_000

/**
 * Opens the database in `dataDir`, creating it if it does not exist.
 * @throws StartError if the folder cannot be used or is in use by another process
 */
export async function openPGlite(
  dataDir: string,
  log: Logger,
  maintenanceInterval = MAINTENANCE_INTERVAL,
): Promise<Store> {
  const folder = resolve(dataDir)
  const unlock = await lockFolder(folder)
  globalThis.TextDecoder = TextDecoderKeepingBom
  try {
    const pglite = await openFiles(folder)
    const kysely = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }) })
    const endMaintenance = maintainPeriodically(kysely, maintenanceInterval, log)
    return {
      kysely,
      description: `PGlite in ${folder}`,
      migrate: work => work(kysely, kysely),
      async close() {
        await endMaintenance()
        await kysely.destroy()
        // Kysely closes it only if it has sent a statement.
        if (!pglite.closed) await pglite.close()
        unlock()
      },
    }
  } catch (error) {
    unlock()
    throw error
  }
}

/** Creates a new database next to its final path and then moves it there, so that a crash leaves nothing half done. */
async function openFiles(folder: string): Promise<PGlite> {
  const files = join(folder, 'pglite')
  const version = await readVersion(files)
  if (version !== undefined && version !== PGLITE_MAJOR_VERSION) {
    throw new StartError(
      `The database in ${files} was created by PostgreSQL ${version}, but this PGlite opens only ` +
        `version ${PGLITE_MAJOR_VERSION}. Migrate the tasks with the version that created it, ` +
        'or set DATA_DIR to another folder.',
    )
  }
  try {
    if (version === undefined) {
      const unfinished = join(folder, 'pglite.new')
      await rm(unfinished, { recursive: true, force: true })
      await mkdir(unfinished)
      const created = await PGlite.create(unfinished)
      await created.close()
      await rename(unfinished, files)
    }
    const pglite = await PGlite.create(files, { parsers })
    await pglite.exec(setStatements(SESSION_FORMAT))
    return pglite
  } catch (error) {
    throw new StartError(`The database in ${files} cannot be opened: ${(error as Error).message}.`, { cause: error })
  }
}

async function readVersion(files: string): Promise<string | undefined> {
  try {
    return (await readFile(join(files, 'PG_VERSION'), 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new StartError(`The data folder cannot be read: ${(error as Error).message}.`)
  }
}
