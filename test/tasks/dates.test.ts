/** The rules of dates: merging, sort keys, instants at the ends of the range, and relative days. */
import fc from 'fast-check'
import t from 'tap'
import {
  instantOf,
  type Moment,
  type MomentPatch,
  mergeMoment,
  type Rule,
  resolveDate,
  sortKey,
  Violation,
  zoneData,
} from '../../src/tasks/dates.ts'

const berlin: Moment = {
  date: '2026-11-24',
  time: '09:00',
  time_zone: 'Europe/Berlin',
  at: '2026-11-24T08:00:00.000Z',
}
const floating: Moment = { ...berlin, time_zone: null, at: null }
const allDay: Moment = { ...floating, time: null }

const merges: [string, Moment | null, MomentPatch | null, Moment | null | Rule][] = [
  ['creates a whole day', null, { date: '2026-11-24' }, allDay],
  ['creates a floating time', null, { date: '2026-11-24', time: '09:00' }, floating],
  ['creates an instant', null, { date: '2026-11-24', time: '09:00', time_zone: 'Europe/Berlin' }, berlin],
  ['keeps the time and zone of another date', berlin, { date: '2026-07-25' }, moved('2026-07-25T07:00:00.000Z')],
  ['keeps the date and zone of another time', berlin, { time: '10:30' }, { ...berlin, ...atHalfPastTen() }],
  ['keeps the local time in another zone', berlin, { time_zone: 'Asia/Kolkata' }, { ...berlin, ...inKolkata() }],
  [
    'keeps the case and link of a zone',
    berlin,
    { time_zone: 'asia/calcutta' },
    { ...berlin, ...inKolkata('asia/calcutta') },
  ],
  ['makes an instant of a floating time', floating, { time_zone: 'Europe/Berlin' }, berlin],
  ['makes a floating time of an instant', berlin, { time_zone: null }, floating],
  ['makes a whole day of an instant', berlin, { time: null, time_zone: null }, allDay],
  ['changes nothing', berlin, {}, berlin],
  ['clears', berlin, null, null],
  ['clears what is clear', null, null, null],
  ['needs a date', null, {}, 'date_required'],
  ['needs a date for a time', null, { time: '09:00', time_zone: 'Europe/Berlin' }, 'date_required'],
  ['needs a time for a zone', allDay, { time_zone: 'Europe/Berlin' }, 'time_required'],
  ['does not clear the zone with the time', berlin, { time: null }, 'time_required'],
  ['needs a known zone', floating, { time_zone: 'Europe/Atlantis' }, 'time_zone_unknown'],
  ['needs an instant after year 0', berlin, { date: '0001-01-01', time: '00:00' }, 'instant_out_of_range'],
]

function moved(at: string): Moment {
  return { ...berlin, date: at.slice(0, 10), at }
}
function atHalfPastTen() {
  return { time: '10:30', at: '2026-11-24T09:30:00.000Z' }
}
function inKolkata(time_zone = 'Asia/Kolkata') {
  return { time_zone, at: '2026-11-24T03:30:00.000Z' }
}

t.test('a merge', t => {
  for (const [what, stored, patch, expected] of merges) {
    const result = mergeMoment(stored, patch)
    t.same(result instanceof Violation ? result.rule : result, expected, what)
  }
  t.end()
})

const date = fc
  .date({ min: new Date('0001-01-02T00:00Z'), max: new Date('9999-12-30T00:00Z'), noInvalidDate: true })
  .map(date => date.toISOString().slice(0, 10))
const time = fc.tuple(fc.nat(23), fc.nat(59)).map(parts => parts.map(part => `${part}`.padStart(2, '0')).join(':'))
const zone = fc.constantFrom(...Intl.supportedValuesOf('timeZone'))
const nullable = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })
const patch: fc.Arbitrary<MomentPatch> = fc.record(
  { date, time: nullable(time), time_zone: nullable(zone) },
  { requiredKeys: [] },
)
/** Every moment that a client can store. */
const moment: fc.Arbitrary<Moment> = patch
  .map(patch => mergeMoment(null, patch))
  .filter((result): result is Moment => result !== null && !(result instanceof Violation))

/** RFC 7396, section 2, for objects without nested ones. */
function mergePatch(target: object | null, patch: object): Record<string, unknown> {
  const result: Record<string, unknown> = { ...target }
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = value
  }
  return result
}

t.test('a merge is that of RFC 7396, and breaks a rule exactly if the result does', t => {
  const property = fc.property(nullable(moment), patch, (stored, patch) => {
    const { date, time = null, time_zone = null } = mergePatch(stored, patch)
    const result = mergeMoment(stored, patch)
    if (date === undefined) return result instanceof Violation && result.rule === 'date_required'
    if (time_zone !== null && time === null) return result instanceof Violation && result.rule === 'time_required'
    if (result === null || result instanceof Violation) return false
    const { at, ...written } = result
    const isInstant = time_zone !== null
    return (
      JSON.stringify(written) === JSON.stringify({ date, time, time_zone }) &&
      (isInstant ? /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/.test(at ?? '') : at === null)
    )
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }))
  t.end()
})

t.test('a date never gains a time', t => {
  const withoutTime = fc.array(
    patch.map(({ time: _, ...rest }) => rest),
    { maxLength: 8 },
  )
  const property = fc.property(date, withoutTime, (date, patches) => {
    let stored: Moment = { date, time: null, time_zone: null, at: null }
    for (const patch of patches) {
      const result = mergeMoment(stored, patch)
      if (result === null) return false
      if (!(result instanceof Violation)) stored = result
    }
    return stored.time === null && stored.time_zone === null && stored.at === null
  })
  t.doesNotThrow(() => fc.assert(property))
  t.end()
})

t.test('sending back what was read changes nothing', t => {
  const property = fc.property(moment, stored => {
    const { at: _, ...writable } = stored
    return [mergeMoment(stored, writable), mergeMoment(null, writable), mergeMoment(stored, {})].every(
      result => JSON.stringify(result) === JSON.stringify(stored),
    )
  })
  t.doesNotThrow(() => fc.assert(property))
  t.end()
})

t.test('sort keys are in the order of local dates and times: whole days before times, null last', t => {
  /** The place in the order as numbers. */
  const rank = (moment: Moment | null) =>
    moment === null
      ? [Number.POSITIVE_INFINITY, 0]
      : [Date.parse(moment.date), moment.time === null ? -1 : Date.parse(`1970-01-01T${moment.time}Z`)]
  // Few different values, so that days and times are often equal.
  const days = fc.constantFrom('0001-01-02', '2026-02-28', '2026-03-01', '2026-11-24', '9999-12-30')
  const times = fc.constantFrom(null, '00:00', '09:00', '09:01', '10:00', '23:59')
  const near = fc.record({ date: days, time: times, time_zone: fc.constant(null), at: fc.constant(null) })
  const any = nullable(fc.oneof(near, moment))
  const property = fc.property(any, any, (a, b) => {
    const [keyA, keyB] = [sortKey(a), sortKey(b)]
    const [[dayA = 0, timeA = 0], [dayB = 0, timeB = 0]] = [rank(a), rank(b)]
    const isBefore = dayA < dayB || (dayA === dayB && timeA < timeB)
    const isEqual = dayA === dayB && timeA === timeB
    return keyA < keyB === isBefore && (keyA === keyB) === isEqual
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }))
  t.equal(sortKey(berlin), '2026-11-24T09:00')
  t.equal(sortKey(allDay), '2026-11-24')
  t.equal(sortKey(null), '~')
  t.end()
})

t.test('local times of all years are instants, unless their year in UTC does not have four digits', t => {
  t.equal(instantOf('0001-01-01', '00:00', 'America/New_York'), '0001-01-01T04:56:02.000Z')
  t.equal(instantOf('0001-01-01', '00:00', 'UTC'), '0001-01-01T00:00:00.000Z')
  t.equal(instantOf('0001-01-01', '05:53', 'Asia/Kolkata'), undefined)
  t.equal(instantOf('0001-01-01', '05:54', 'Asia/Kolkata'), '0001-01-01T00:00:32.000Z')
  t.equal(instantOf('1890-01-01', '12:00', 'Europe/Berlin'), '1890-01-01T11:06:32.000Z')
  t.equal(instantOf('2000-02-29', '23:59', 'Etc/GMT+5'), '2000-03-01T04:59:00.000Z')
  t.equal(instantOf('9999-12-31', '23:59', 'Asia/Kolkata'), '9999-12-31T18:29:00.000Z')
  t.equal(instantOf('9999-12-31', '18:59', 'America/New_York'), '9999-12-31T23:59:00.000Z')
  t.equal(instantOf('9999-12-31', '19:00', 'America/New_York'), undefined)
  t.end()
})

t.test('dates of filters', t => {
  const now = new Date('2026-11-24T15:00:00.000Z')
  const resolve = (text: string, zone: string | undefined = 'Europe/Berlin') => resolveDate(text, zone, now)
  t.equal(resolve('today'), '2026-11-24')
  t.equal(resolve('tomorrow'), '2026-11-25')
  t.equal(resolve('yesterday'), '2026-11-23')
  t.equal(resolve('+7d'), '2026-12-01')
  t.equal(resolve('-24d'), '2026-10-31')
  t.equal(resolve('+0d'), '2026-11-24')
  t.equal(resolve('-9999d'), '1999-07-10')
  t.equal(resolve('today', 'Asia/Tokyo'), '2026-11-25', 'it is another day there')
  t.equal(resolve('today', 'Etc/GMT+12'), '2026-11-24')
  t.equal(resolve('2024-02-29'), '2024-02-29')
  t.equal(resolveDate('2026-11-24', undefined, now), '2026-11-24', 'a date needs no zone')
  t.equal(resolveDate('today', undefined, now), undefined)
  // The day of the change to winter time has 25 hours.
  t.equal(resolveDate('+1d', 'Europe/Berlin', new Date('2026-10-24T22:30:00.000Z')), '2026-10-26')
  t.equal(resolveDate('+1d', 'Europe/Berlin', new Date('9999-12-31T12:00:00.000Z')), undefined)
  t.equal(resolveDate('7d', 'UTC', new Date('2026-11-24T15:00:00.000Z')), '2026-12-01')
  t.equal(resolveDate('-1d', 'UTC', new Date('0001-01-01T12:00:00.000Z')), undefined)
  t.end()
})

t.test('other texts are not dates of filters', t => {
  const days = ['2026-02-29', '2026-13-01', '2026-00-10', '0000-01-01', '+010000-01-01', '10000-01-01']
  const forms = ['', '2026-1-1', '20261124', '2026-11-24T09:00', '24.11.2026', '2026', 'Today', 'now', 'constructor']
  const relative = ['+7', '+10000d', '+d', '+7w', ' 7d', '+7d ', '+1.5d', '--1d']
  for (const text of [...days, ...forms, ...relative]) {
    t.equal(resolveDate(text, 'UTC', new Date('2026-11-24T15:00:00.000Z')), undefined, text)
  }
  t.end()
})

t.test('the zone data have a version', t => {
  t.match(zoneData, /^20\d\d[a-z]+$/)
  t.end()
})
