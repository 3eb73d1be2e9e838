/** The dates of a task: their rules, the instant and the sort key of each, and dates relative to today. */
import { isTimeZone, offsetAt } from '../contract/time-zone.ts'

/** A day, a local time on it, or a local time in a time zone; only the last is an instant. */
export interface Moment {
  /** YYYY-MM-DD, of the years 0001 to 9999. */
  date: string
  /** HH:MM. */
  time: string | null
  /** The name of a zone or link of IANA's database, as the client sent it. */
  time_zone: string | null
  /** The instant as RFC 3339 in UTC with milliseconds; null without a time zone. */
  at: string | null
}

/** The members of a moment that a client writes, valid by themselves. */
export type MomentPatch = Partial<Omit<Moment, 'at'>>

/** A rule that only the merged moment can break. */
export type Rule =
  /** Without a date there is nothing that a time or zone could belong to. */
  | 'date_required'
  /** A time zone turns a time into an instant, so it needs one. */
  | 'time_required'
  /** Either the client invented it, or a later version of the zone data had it. */
  | 'time_zone_unknown'
  /** RFC 3339 has four digits for a year: the instant is outside the years 0001 to 9999, although its date is not. */
  | 'instant_out_of_range'

export class Violation {
  readonly rule: Rule

  constructor(rule: Rule) {
    this.rule = rule
  }
}

/**
 * Applies a merge-patch (RFC 7396) to a moment: absent members keep their values, also when the date changes.
 * @param stored null to create or replace a moment
 * @param patch null to clear it
 */
export function mergeMoment(stored: Moment | null, patch: MomentPatch | null): Moment | null | Violation {
  if (patch === null) return null
  const { date, time = null, time_zone = null } = { ...stored, ...patch }
  if (date === undefined) return new Violation('date_required')
  if (time_zone === null) return { date, time, time_zone, at: null }
  if (time === null) return new Violation('time_required')
  if (!isTimeZone(time_zone)) return new Violation('time_zone_unknown')
  const at = instantOf(date, time, time_zone)
  return at === undefined ? new Violation('instant_out_of_range') : { date, time, time_zone, at }
}

/** The version of the zone data. An `at` that another version computed may be wrong. */
// Only a Node without Intl has none.
export const zoneData = process.versions.tz as string

const DAY = 86_400_000

/**
 * The instant of a local time, as RFC 5545, 3.3.5 has it: a time that occurs twice is its first occurrence, and a time
 * that is skipped has the offset before the gap. PostgreSQL takes the second occurrence, so SQL never computes this.
 *
 * It uses `Intl`, because Node has Temporal only from version 26. `temporal-polyfill` 1.0.8 gives the same instants, but
 * takes 10 µs a call instead of 3 µs, and 20 ms at start-up.
 * @param zone a name for which `isTimeZone` holds
 * @returns undefined if the instant is outside the years 0001 to 9999
 */
export function instantOf(date: string, time: string, zone: string): string | undefined {
  const local = Date.parse(`${date}T${time}Z`)
  return textOf(local - localOffset(local, zone))
}

/** The offset of a local time, which is given as if it were UTC. */
function localOffset(local: number, zone: string): number {
  // A day earlier is before any change of the offset that could affect this time, and a day later is after it.
  const before = offsetAt(zone, local - DAY)
  if (offsetAt(zone, local - before) === before) return before
  const after = offsetAt(zone, local + DAY)
  return offsetAt(zone, local - after) === after ? after : before
}

const FIRST = Date.parse('0001-01-01T00:00Z')
const END = Date.parse('+010000-01-01T00:00Z')

/** RFC 3339; undefined outside the years 0001 to 9999, which are also the years of dates. */
const textOf = (time: number) => (time >= FIRST && time < END ? new Date(time).toISOString() : undefined)
const dateOf = (time: number) => textOf(time)?.slice(0, 'YYYY-MM-DD'.length)

/**
 * The key by which moments are sorted, compared by code unit: by local date and time, whatever the zone. A whole day
 * comes before the times on it, and null after everything.
 */
export function sortKey(moment: Pick<Moment, 'date' | 'time'> | null): string {
  if (moment === null) return '~'
  return moment.time === null ? moment.date : `${moment.date}T${moment.time}`
}

const NAMED_DAYS = new Map([
  ['yesterday', -1],
  ['today', 0],
  ['tomorrow', 1],
])
const RELATIVE_DAYS = /^[+-]?\d{1,4}d$/

/**
 * The date that a filter means: YYYY-MM-DD, or a day relative to the current one in a time zone: `today`, `tomorrow`,
 * `yesterday`, `7d`, `-3d`.
 * @param timeZone a name for which `isTimeZone` holds; a relative day needs it
 * @returns undefined if it is neither, or outside the years 0001 to 9999
 */
export function resolveDate(text: string, timeZone: string | undefined, now: Date): string | undefined {
  if (dateOf(Date.parse(text)) === text) return text
  const days = NAMED_DAYS.get(text) ?? (RELATIVE_DAYS.test(text) ? Number.parseInt(text, 10) : undefined)
  if (days === undefined || timeZone === undefined) return undefined
  const local = now.getTime() + offsetAt(timeZone, now.getTime())
  return dateOf(local + days * DAY)
}
