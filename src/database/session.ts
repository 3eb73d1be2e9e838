/** The settings that each session makes before its first query. */

/** `timestamp` in values.ts reads only this format, and a database may have other defaults. */
export const SESSION_FORMAT = { datestyle: 'ISO', timezone: 'UTC' } as const

export type Settings = Record<string, string | number>

export const setStatements = (settings: Settings): string =>
  Object.entries(settings)
    .map(([name, value]) => `set ${name} to '${value}'`)
    .join('; ')
