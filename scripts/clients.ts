/**
 * `npm run clients [-- python go …]`: generates a client in each language with the commands of docs/clients.md, builds
 * a tour with it, and runs that against the real server with authentication, and against the future.
 */
import { randomBytes } from 'node:crypto'
import { startFuture } from './clients/future.ts'
import { languages } from './clients/languages.ts'
import { prepare, refuseChanges, run } from './clients/workshop.ts'
import { temporaryFolder } from './support/folder.ts'
import { startHealthyProcess } from './support/process.ts'
import { abortOnSignals } from './support/signals.ts'
import { signToken } from './support/token.ts'

const secret = randomBytes(32).toString('hex')

const interrupted = abortOnSignals()
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(languages)
const unknown = names.filter(name => languages[name] === undefined)
if (unknown.length > 0) throw new Error(`Unknown: ${unknown}. Use ${Object.keys(languages).join(', ')}.`)

await using folder = await temporaryFolder()
await using server = await startHealthyProcess({
  // An empty variable means its default.
  ...{
    DATABASE_URL: '',
    AUTH_ISSUER: '',
    AUTH_JWKS_URL: '',
    AUTH_AUDIENCE: '',
    AUTH_TOKEN_TYPE: '',
    MAX_EVENT_LOOP_DELAY: '',
  },
  ...{ DATA_DIR: folder.path, AUTH_SECRET: secret, RATE_LIMIT: '0', ADDRESS_RATE_LIMIT: '0' },
})
await using future = await startFuture(server.origin)

const complete: string[] = []
const skipped: string[] = []
const failed: string[] = []
for (const name of names) {
  if (interrupted.aborted) break
  const { heading, tour, environment } = languages[name] as (typeof languages)[string]
  console.log(`\n==> ${heading}`)
  try {
    const workshop = await prepare(name, interrupted)
    if (workshop === undefined) {
      skipped.push(heading)
      continue
    }
    await run(tour, workshop, interrupted, {
      ...environment,
      TASKS_URL: server.origin,
      FUTURE_URL: future.origin,
      TASKS_USER: `${name}-tour`,
      TASKS_TOKEN: await signToken(secret, `${name}-tour`),
    })
    await refuseChanges(name, workshop)
    complete.push(heading)
  } catch (error) {
    console.error(`${heading} failed: ${(error as Error).message}`)
    failed.push(heading)
  }
}
const errors = await server.stop()
for (const error of errors) console.error(error)
for (const [result, headings] of Object.entries({ complete, skipped, failed })) {
  if (headings.length > 0) console.log(`${result}: ${headings.join(', ')}`)
}
process.exitCode = !interrupted.aborted && failed.length + errors.length === 0 ? 0 : 1
