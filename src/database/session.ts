/** What sessions set before their first query. */

/** `timestamp` in values.ts reads this one form, and a database may have other defaults. */
export const SESSION_FORMAT = { datestyle: 'ISO', timezone: 'UTC' } as const

/** Settings as the statements that a session starts with. */
export const setStatements = (settings: Record<string, string | number>): string =>
  Object.entries(settings)
    .map(([name, value]) => `set ${name} to '${value}'`)
    .join('; ')
