/** The names of time zones, and their offsets. */
import t from 'tap'
import { isTimeZone, offsetAt } from '../../src/contract/time-zone.ts'

t.test('zones and links of IANA are accepted, in any case', t => {
  const links = [
    'Asia/Calcutta',
    'Europe/Kiev',
    'Etc/GMT+5',
    'GMT-0',
    'EST5EDT',
    'America/Port-au-Prince',
    'GB',
    'W-SU',
  ]
  const abbreviations = ['CET', 'EET', 'EST', 'GMT', 'HST', 'MET', 'MST', 'PRC', 'ROC', 'ROK', 'UCT', 'UTC', 'WET']
  const otherCases = ['europe/berlin', 'EUROPE/BERLIN', 'utc']
  const names = [...Intl.supportedValuesOf('timeZone'), ...links, ...abbreviations, ...otherCases]
  t.same(
    names.filter(name => !isTimeZone(name)),
    [],
  )
  t.end()
})

t.test('offsets, abbreviations that IANA does not have, and other texts are refused', t => {
  const offsets = ['+02:00', '-05:00', '+02', '+0200', 'UTC+2', 'GMT+2', 'Z']
  const abbreviations = ['PST', 'BST', 'IST', 'AST', 'jst', 'CEST', 'SystemV/PST8PDT']
  // The last one has a Kelvin sign, whose lower case is a k.
  const others = ['', 'Europe', 'Europe/Berlin ', 'Europe/Atlantis', 'Etc/Unknown', 'toString', 'Asia/\u212aolkata']
  t.same([...offsets, ...abbreviations, ...others].filter(isTimeZone), [])
  t.end()
})

t.test('offsets have the sign and the seconds of local mean time', t => {
  const now = Date.UTC(2026, 10, 24)
  const hours = (zone: string, instant = now) => offsetAt(zone, instant) / 3_600_000
  t.equal(hours('UTC'), 0)
  t.equal(hours('Asia/Kolkata'), 5.5)
  t.equal(hours('asia/kolkata'), 5.5)
  t.equal(hours('America/St_Johns'), -3.5)
  t.equal(hours('Etc/GMT+5'), -5)
  t.equal(offsetAt('Europe/Berlin', Date.UTC(1890, 0)), (53 * 60 + 28) * 1000)
  t.equal(offsetAt('America/New_York', Date.UTC(1880, 0)), -(4 * 3600 + 56 * 60 + 2) * 1000)
  t.throws(() => offsetAt('Europe/Atlantis', now), RangeError)
  t.end()
})
