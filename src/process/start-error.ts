import { inspect } from 'node:util'

/** Why the service cannot start, as a sentence for the operator; printed as that sentence alone, without a stack. */
export class StartError extends Error {
  [inspect.custom](): string {
    return this.message
  }
}
