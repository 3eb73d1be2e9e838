/**
 * `npm run migrate [-- up | down | status]`: migrates the configured database; up is the default, down reverts one
 * migration, status also lists what is distributed where.
 */
import type { Kysely } from 'kysely'
import { describeDistribution } from '../database/distribution.ts'
import { migrateDown, migrateUp, migrationStatus } from '../database/migrate.ts'
import type { Tables } from '../database/tables.ts'
import { withDatabase } from './with-database.ts'

const commands = {
  up: async (db, quick) => report('done', await migrateUp(db, quick), 'The schema is up to date.'),
  down: async (db, quick) => report('reverted', await migrateDown(db, quick), 'There is nothing to revert.'),
  status: async (db, quick) => {
    const migrations = await migrationStatus(db)
    const lines = migrations.map(({ name, executedAt }) => `${name}\t${executedAt?.toISOString() ?? 'pending'}`)
    console.log([...lines, ...(await describeDistribution(quick))].join('\n'))
  },
} satisfies Record<string, (db: Kysely<Tables>, quick: Kysely<Tables>) => Promise<void>>

function report(what: string, names: string[], nothing: string): void {
  console.log(names.length === 0 ? nothing : names.map(name => `${name}\t${what}`).join('\n'))
}

const command = process.argv[2] ?? 'up'
if (!Object.hasOwn(commands, command)) {
  console.error(`Unknown command ${command}: use up, down or status.`)
  process.exit(1)
}
await withDatabase(database => database.migrate(commands[command as keyof typeof commands]))
