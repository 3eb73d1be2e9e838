/** What sessions set before their first query. */

/** `timestamp` in values.ts reads this one form, and a database may have other defaults. */
export const SESSION_FORMAT = { datestyle: 'ISO', timezone: 'UTC' } as const

/**
 * How statements are planned: once on each connection, for any values, and along an index. Every query has one that gives its rows in
 * order (docs/queries.md). By its estimates PostgreSQL would at times rather fetch all rows of a user and sort them: right for
 * the average user, who has few, and slow for one with a million. It estimates worst where it has never counted, as in a new table.
 */
export const SESSION_PLANNING = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_sort: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  // Would be worth it for long queries only, and what is switched off counts as long.
  jit: 'off',
} as const

/** Settings as the statements that a session starts with. */
export const setStatements = (settings: Record<string, string | number>): string =>
  Object.entries(settings)
    .map(([name, value]) => `set ${name} to '${value}'`)
    .join('; ')
