/** The contract's own JSON Schema keywords, for rules that no standard keyword or portable pattern can express. */
import type { ValidationError } from './problem.ts'
import { isTimeZone, offsetAt } from './time-zone.ts'

interface Keyword {
  keyword: `x-${string}`
  type: 'string' | 'object'
  validate(value: true, data: unknown): boolean
  /** What is reported if it does not hold. */
  violation: Pick<ValidationError, 'code' | 'detail'>
}

interface DateParts {
  date?: string
  time?: string | null
  time_zone?: string | null
}

const FIRST_INSTANT = Date.parse('0001-01-01T00:00Z')
const END_OF_INSTANTS = Date.parse('+010000-01-01T00:00Z')

export const keywords: readonly Keyword[] = [
  {
    // A lone surrogate, which JSON can escape, has no UTF-8 and would be stored as another character.
    keyword: 'x-well-formed',
    type: 'string',
    validate: (_, text) => (text as string).isWellFormed(),
    violation: {
      code: 'malformed_text',
      detail: 'must be well-formed Unicode: a surrogate lacks its other half',
    },
  },
  {
    // The names change with IANA's database.
    keyword: 'x-time-zone',
    type: 'string',
    validate: (_, text) => isTimeZone(text as string),
    violation: { code: 'wrong_format', detail: 'must be the name of a time zone, such as Europe/Berlin' },
  },
  {
    // A time zone turns a time into an instant, whose year must have four digits in UTC, too.
    keyword: 'x-complete-date',
    type: 'object',
    validate: (_, data) => {
      const { date, time, time_zone } = data as DateParts
      if (time_zone == null) return true
      if (time == null) return false
      const local = Date.parse(`${date}T${time}Z`)
      // Whether the parts are valid by themselves is for other keywords to say.
      if (Number.isNaN(local) || !isTimeZone(time_zone)) return true
      const instant = local - offsetAt(time_zone, local)
      return instant >= FIRST_INSTANT && instant < END_OF_INSTANTS
    },
    violation: {
      code: 'required',
      detail: 'must have a time, and be within the years 0001 to 9999 in UTC, if it has a time zone',
    },
  },
]

const violations = new Map<string, Keyword['violation']>(keywords.map(({ keyword, violation }) => [keyword, violation]))

/** What a keyword reports; undefined for those of JSON Schema. */
export const violationOf = (keyword: string) => violations.get(keyword)
