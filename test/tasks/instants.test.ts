/** The instants of local times, compared with PostgreSQL's conversion in the other direction. */
import { sql } from 'kysely'
import t from 'tap'
import { ownDatabase } from '../../scripts/support/service.ts'
import { instantOf } from '../../src/tasks/dates.ts'
import { openDisposable } from '../support/database.ts'

const config = await ownDatabase()
const database = await openDisposable(config)
t.teardown(async () => {
  await database[Symbol.asyncDispose]()
  await config[Symbol.asyncDispose]()
})

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const FROM = Date.UTC(2011)
const TO = Date.UTC(2031)

/** The lengths of each zone's gaps and overlaps in these years, in minutes. */
const zones: Record<string, { gaps: number[]; overlaps: number[] }> = {
  'Africa/Casablanca': { gaps: [60], overlaps: [60] },
  // The time of Troll changes by two hours.
  'Antarctica/Troll': { gaps: [120], overlaps: [120] },
  'America/New_York': { gaps: [60], overlaps: [60] },
  'America/Sao_Paulo': { gaps: [60], overlaps: [60] },
  'America/St_Johns': { gaps: [60], overlaps: [60] },
  'Asia/Kolkata': { gaps: [], overlaps: [] },
  // North Korea's time changed in 2015 and 2018.
  'Asia/Pyongyang': { gaps: [30], overlaps: [30] },
  'Asia/Tehran': { gaps: [60], overlaps: [60] },
  'Australia/Lord_Howe': { gaps: [30], overlaps: [30] },
  'Europe/Berlin': { gaps: [60], overlaps: [60] },
  'Europe/Dublin': { gaps: [60], overlaps: [60] },
  // The day 2011-12-30 was skipped.
  'Pacific/Apia': { gaps: [60, 1440], overlaps: [60] },
  'Pacific/Chatham': { gaps: [60], overlaps: [60] },
}

/** An instant and the local time then, as if it were UTC, both in milliseconds. */
interface Sample {
  instant: number
  local: number
}

/** PostgreSQL's local time at every step from one instant to another. */
async function samplesOf(zone: string, from: number, to: number, step: number): Promise<Sample[]> {
  const { rows } = await sql<{ instant: number; local: string }>`
    select (extract(epoch from instant) * 1000)::float8 as instant, (instant at time zone ${zone})::text as local
    from generate_series(to_timestamp(${from / 1000}::float8), to_timestamp(${to / 1000}::float8),
      make_interval(secs => ${step / 1000}::float8)) as instant
    order by 1`.execute(database.kysely)
  return rows.map(({ instant, local }) => ({ instant, local: Date.parse(`${local.replace(' ', 'T')}Z`) }))
}

const offsetOf = ({ instant, local }: Sample) => local - instant

/** The samples just before and after each change of the offset. */
async function changesAmong(zone: string, samples: Sample[], ...finer: number[]): Promise<[Sample, Sample][]> {
  const changes: [Sample, Sample][] = []
  for (const [index, after] of samples.entries()) {
    const before = samples[Math.max(0, index - 1)] as Sample
    if (offsetOf(before) === offsetOf(after)) continue
    const [step, ...rest] = finer
    if (step === undefined) changes.push([before, after])
    else {
      const between = await samplesOf(zone, before.instant, after.instant, step)
      changes.push(...(await changesAmong(zone, between, ...rest)))
    }
  }
  return changes
}

/** The years in which the zone data of Node and PostgreSQL differ. */
function disputedYears(zone: string, samples: Sample[]): Set<number> {
  const { format } = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })
  const disputed = samples.filter(({ instant, local }) => Date.parse(`${format(instant)}Z`) !== local)
  return new Set(disputed.map(({ instant }) => new Date(instant).getUTCFullYear()))
}

/** What `instantOf` gets wrong from three hours before the change until three hours after it. */
async function errorsAround(zone: string, before: Sample, after: Sample): Promise<string[]> {
  const range = 3 * HOUR + Math.abs(offsetOf(after) - offsetOf(before))
  const samples = await samplesOf(zone, after.instant - range, after.instant + range, MINUTE)
  const firstOccurrence = new Map<number, number>()
  for (const { instant, local } of samples.toReversed()) firstOccurrence.set(local, instant)
  const errors = []
  for (let local = before.local - 3 * HOUR; local < after.local + 3 * HOUR; local += MINUTE) {
    const expected = new Date(firstOccurrence.get(local) ?? local - offsetOf(before)).toISOString()
    const [date = '', time = ''] = new Date(local).toISOString().split('T')
    const actual = instantOf(date, time.slice(0, 5), zone)
    if (actual !== expected) errors.push(`${date} ${time} is ${actual} and not ${expected}`)
  }
  return errors
}

for (const [zone, { gaps, overlaps }] of Object.entries(zones)) {
  t.test(
    `${zone}: a skipped time has the offset before the gap, and a repeated time is its first occurrence`,
    async t => {
      const days = await samplesOf(zone, FROM, TO, DAY)
      const changes = await changesAmong(zone, days, HOUR, MINUTE)
      const disputed = disputedYears(zone, [...days, ...changes.flat()])
      for (const year of disputed) t.comment(`${year} is skipped: the zone data of Node and PostgreSQL differ`)
      t.ok(disputed.size <= 10, 'ten years are compared')
      const lengths = new Set<number>()
      for (const [before, after] of changes) {
        if (disputed.has(new Date(after.instant).getUTCFullYear())) continue
        lengths.add((offsetOf(after) - offsetOf(before)) / MINUTE)
        t.same(await errorsAround(zone, before, after), [])
      }
      const expected = [...gaps, ...overlaps.map(length => -length)]
      t.same([...lengths].sort(), expected.sort(), 'gaps and overlaps')
      const errors = days.filter(({ instant, local }) => {
        const [date = '', time = ''] = new Date(local).toISOString().split('T')
        return (
          !disputed.has(new Date(instant).getUTCFullYear()) &&
          instantOf(date, time.slice(0, 5), zone) !== new Date(instant).toISOString()
        )
      })
      t.same(errors, [], 'every other day')
    },
  )
}
