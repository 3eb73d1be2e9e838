/** Values as they leave the drivers. */
import { sql } from 'kysely'
import t from 'tap'
import { timestamp } from '../../src/database/values.ts'
import { startService } from '../helper/service.ts'

const { database } = await startService(t)

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
  t.equal(timestamp('2026-11-23 14:30:00.5+05:30'), '2026-11-23T09:00:00.500Z', 'from another time zone, too')
})

t.test('whatever the session’s time zone is', async t => {
  for (const zone of ['UTC', 'Asia/Kolkata', 'America/St_Johns']) {
    const time = await database.kysely.transaction().execute(async db => {
      await sql`select set_config('TimeZone', ${zone}, true)`.execute(db)
      const { rows } = await sql<{ time: string }>`select '2026-11-23T09:00:00.070Z'::timestamptz(3) as time`.execute(
        db,
      )
      return rows[0]?.time
    })
    t.equal(time, '2026-11-23T09:00:00.070Z', zone)
  }
})

t.test('bigints are numbers', async t => {
  const { rows } = await sql`select 9007199254740991::bigint as most`.execute(database.kysely)
  t.same(rows, [{ most: Number.MAX_SAFE_INTEGER }])
})

t.test('a leading U+FEFF is text', async t => {
  const { rows } = await sql`select ${'\ufeffa'}::text as text`.execute(database.kysely)
  t.same(rows, [{ text: '\ufeffa' }])
})
