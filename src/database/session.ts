/** What sessions set before their first query. */

/** `timestamp` in values.ts reads this one form, and a database may have other defaults. */
export const SESSION_FORMAT = { datestyle: 'ISO', timezone: 'UTC' } as const

/** The settings that a session starts with. */
export type Settings = Record<string, string | number>

/** Settings as statements. */
export const setStatements = (settings: Settings): string =>
  Object.entries(settings)
    .map(([name, value]) => `set ${name} to '${value}'`)
    .join('; ')
