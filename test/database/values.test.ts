/** The drivers' values as the service returns them. */
import { sql } from 'kysely'
import t from 'tap'
import { ownDatabase, startService } from '../../scripts/support/service.ts'
import type { DatabaseConfig } from '../../src/database/open.ts'
import { timestamp } from '../../src/database/values.ts'
import { openDisposable } from '../support/database.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { database } = service

t.test('timestamps are RFC 3339 in UTC with milliseconds', async t => {
  const texts = [
    '2026-11-23 09:00:00+00',
    '2026-11-23 09:00:00.1+00',
    '2026-11-23 09:00:00.12+00',
    '2026-11-23 09:00:00.123+00',
  ]
  t.same(texts.map(timestamp), [
    '2026-11-23T09:00:00.000Z',
    '2026-11-23T09:00:00.100Z',
    '2026-11-23T09:00:00.120Z',
    '2026-11-23T09:00:00.123Z',
  ])
})

t.test('timestamps do not depend on the database’s settings', async t => {
  await using config = await ownDatabase()
  await changeSettings(config)
  await using database = await openDisposable(config)
  const time = '2026-11-23T09:00:00.070Z'
  const result = await sql<{ time: string }>`select ${time}::timestamptz(3) as time`.execute(database.kysely)
  t.same(result.rows, [{ time }])
})

/** Changes how the database's new sessions print times. */
async function changeSettings(config: DatabaseConfig): Promise<void> {
  await using database = await openDisposable(config)
  const { kysely } = database
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(kysely)
  for (const [setting, value] of [
    ['datestyle', 'SQL, DMY'],
    ['timezone', 'America/St_Johns'],
  ] as const) {
    await sql`alter database ${sql.ref(rows[0]?.name as string)} set ${sql.ref(setting)} to ${sql.lit(value)}`.execute(
      kysely,
    )
  }
}

t.test('bigints are numbers', async t => {
  const { rows } = await sql`select 9007199254740991::bigint as most`.execute(database.kysely)
  t.same(rows, [{ most: Number.MAX_SAFE_INTEGER }])
})

t.test('a leading U+FEFF is part of the text', async t => {
  const { rows } = await sql`select ${'\ufeffa'}::text as text`.execute(database.kysely)
  t.same(rows, [{ text: '\ufeffa' }])
})
