/** The contract's own JSON Schema keyword. */

/**
 * `x-well-formed`: a lone surrogate, which JSON can escape, has no UTF-8 and would be stored as another character. No
 * standard keyword or portable pattern can express that.
 */
export const WELL_FORMED = {
  keyword: 'x-well-formed',
  type: 'string',
  validate: (_: true, text: string) => text.isWellFormed(),
} as const
