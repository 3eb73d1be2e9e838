/** Parsers from the drivers' text to the contract's form, without a detour over Date and BigInt. */

/** Object ids of PostgreSQL's types (pg_type.dat). */
const INT8 = 20
const TIMESTAMPTZ = 1184

/** A timestamp in the session's format: `2026-11-23 09:00:00.12+00` -> `2026-11-23T09:00:00.120Z`. */
export const timestamp = (text: string): string =>
  `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.slice(20, -3).padEnd(3, '0')}Z`

/** By object id. Revisions stay below 2^53: a user would have to write a million times a second for 285 years. */
export const parsers = { [INT8]: Number, [TIMESTAMPTZ]: timestamp } as const
