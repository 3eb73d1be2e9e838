/** Time zones by name: which names are accepted, and the offset of a zone at an instant. */

/**
 * Of three letters, `Intl` also accepts abbreviations that IANA does not list and that mean another zone elsewhere: its
 * AST is Alaska, its BST Dhaka.
 */
const IANA_ABBREVIATIONS = /^(cet|eet|est|gmt|hst|met|mst|prc|roc|rok|uct|utc|wet)$/i

/** Not an offset such as `+02:00`, and none of the zones that `Intl` has kept from System V. ASCII only. */
const NAME = /^(?!systemv\/)[a-z][\w+/-]*$/i

/** Whether it is the name of a zone or link of IANA's database, in any case. */
export function isTimeZone(name: string): boolean {
  if (!NAME.test(name) || (name.length === 3 && !IANA_ABBREVIATIONS.test(name))) return false
  try {
    formatterOf(name)
    return true
  } catch {
    return false
  }
}

/**
 * By name in lower case. Callers choose the names, but there are only about 600: at 26 kB each, all of them take 16 MB.
 * Making one takes 0.1 ms.
 */
const formatters = new Map<string, Intl.DateTimeFormat>()

/** @throws RangeError if `Intl` does not know the name */
function formatterOf(zone: string): Intl.DateTimeFormat {
  const key = zone.toLowerCase()
  const known = formatters.get(key)
  if (known !== undefined) return known
  // Something besides the offset has to be asked for; otherwise `Intl` adds the whole date, which takes longer.
  const formatter = new Intl.DateTimeFormat('en-US', { timeZone: zone, year: 'numeric', timeZoneName: 'longOffset' })
  formatters.set(key, formatter)
  return formatter
}

/** `GMT`, `GMT-05:00` or, before standard time, `GMT+00:53:28`. */
const OFFSET = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/

/**
 * How far the local time of a zone is ahead of UTC, in milliseconds.
 * @param zone a name for which `isTimeZone` holds
 * @param instant milliseconds since 1970
 */
export function offsetAt(zone: string, instant: number): number {
  const parts = OFFSET.exec(formatterOf(zone).format(instant)) as RegExpExecArray
  const [, sign, hours = 0, minutes = 0, seconds = 0] = parts
  return (sign === '-' ? -1000 : 1000) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
}
