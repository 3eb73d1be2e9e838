/** Errors that keep the service from starting. */
import { inspect } from 'node:util'

/** Tells the operator in a sentence why the service cannot start; printed without a stack. */
export class StartError extends Error {
  [inspect.custom](): string {
    return this.message
  }
}
