/** The definition of an environment variable. */

export interface Variable {
  /** As an operator would write it; '' if the variable has no default. */
  default: string
  description: string
  /**
   * Turns the text into a value.
   * @throws Error whose message starts with "must" and follows the name of the variable
   */
  parse: (text: string) => unknown
  secrecy: Secrecy
}

/** The value of a secret variable is never shown, not even if it is invalid. */
type Secrecy = 'secret' | 'public'

export const variable = <T>(
  fallback: string,
  parse: (text: string) => T,
  description: string,
  secrecy: Secrecy = 'public',
) => ({ default: fallback, parse, description, secrecy })

export type Variables = Record<string, Variable>

/** The values of variables, by their names. */
export type Values<V extends Variables> = { [Name in keyof V]: ReturnType<V[Name]['parse']> }
