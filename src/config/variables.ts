/** Every variable that the service reads, in the order in which README.md and .env.example list them. */
import { authenticationVariables } from './authentication.ts'
import { callerVariables } from './callers.ts'
import { databaseVariables } from './database.ts'
import { discoveryVariables } from './discovery.ts'
import { listeningVariables } from './listening.ts'
import { loadVariables } from './load.ts'
import { operationVariables } from './operation.ts'
import { storageVariables } from './storage.ts'
import type { Values, Variables } from './variable.ts'

export const variables = {
  ...listeningVariables,
  ...databaseVariables,
  ...authenticationVariables,
  ...callerVariables,
  ...discoveryVariables,
  ...operationVariables,
  ...loadVariables,
  ...storageVariables,
} satisfies Variables

export type Config = Values<typeof variables>
