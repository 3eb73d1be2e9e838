/** Values as they leave the drivers. */
import { sql } from 'kysely'
import t from 'tap'
import { ownDatabase, silent, startService } from '../../scripts/support/service.ts'
import { openDatabase } from '../../src/database/open.ts'
import { timestamp } from '../../src/database/values.ts'

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

t.test('whatever the database’s defaults are', async t => {
  const config = await ownDatabase(t)
  const before = await openDatabase(config, silent)
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(before.kysely)
  for (const [setting, value] of [
    ['datestyle', 'SQL, DMY'],
    ['timezone', 'America/St_Johns'],
  ] as const) {
    await sql`alter database ${sql.ref(rows[0]?.name as string)} set ${sql.ref(setting)} to ${sql.lit(value)}`.execute(
      before.kysely,
    )
  }
  await before.close()
  const database = await openDatabase(config, silent)
  t.teardown(() => database.close())
  const time = '2026-11-23T09:00:00.070Z'
  const result = await sql<{ time: string }>`select ${time}::timestamptz(3) as time`.execute(database.kysely)
  t.same(result.rows, [{ time }])
})

t.test('bigints are numbers', async t => {
  const { rows } = await sql`select 9007199254740991::bigint as most`.execute(database.kysely)
  t.same(rows, [{ most: Number.MAX_SAFE_INTEGER }])
})

t.test('a leading U+FEFF is text', async t => {
  const { rows } = await sql`select ${'\ufeffa'}::text as text`.execute(database.kysely)
  t.same(rows, [{ text: '\ufeffa' }])
})
