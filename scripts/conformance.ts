/**
 * `npm run conformance [-- pglite | postgres | citus | proxy | mock]`: Schemathesis and the workflows against the real server,
 * on a new database of each kind; the workflows through Prism, which validates every request and response; and, as a
 * control, the workflows against Prism's mock, in which they must find what a server without a memory cannot do.
 *
 * `npm run conformance -- --url https://... [--token ...] [--user ...]`: both against any server of this contract. The
 * data of the user are erased.
 *
 * It fails on any finding, on any error that our server logs, and if our server does not stop with 0.
 */
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { decodeJwt } from 'jose'
import { startMock, startProxy } from './conformance/prism.ts'
import { runSchemathesis } from './conformance/schemathesis.ts'
import { type Result, type Target, table } from './conformance/table.ts'
import { runWorkflows } from './conformance/workflows.ts'
import { startCluster } from './support/cluster.ts'
import { operations } from './support/contract.ts'
import { createDistributed, NO_CITUS } from './support/distribute.ts'
import { temporaryFolder } from './support/folder.ts'
import { startHealthyProcess } from './support/process.ts'
import { abortOnSignals } from './support/signals.ts'
import { signToken } from './support/token.ts'

const USER = 'conformance'
const NO_AUTHENTICATION = { AUTH_SECRET: '', AUTH_ISSUER: '', AUTH_JWKS_URL: '' }

const names = new Map(
  operations.map(({ operationId, method, path }) => [operationId as string, `${method.toUpperCase()} ${path}`]),
)
const nameOf = (operationId: string) => names.get(operationId) ?? operationId

const workflows = (target: Target) => runWorkflows(target, nameOf, interrupted)

/** Runs both and prints what they find; returns whether everything conforms. */
async function conforms(target: Target): Promise<boolean> {
  // The workflows come first: Schemathesis leaves much data behind.
  return report({ workflows: await workflows(target), schemathesis: await runSchemathesis(target, interrupted) })
}

function report(results: Record<string, Result>): boolean {
  for (const line of table([...names.values()], results)) console.log(line)
  return Object.values(results).every(({ succeeded, cases }) => succeeded && cases.size > 0)
}

/** Runs `test` against our server on a database; without a secret, it has no authentication. */
async function onServer(
  environment: Record<string, string>,
  secret: string | undefined,
  test: (target: Target) => Promise<boolean>,
): Promise<boolean> {
  const access = secret === undefined ? {} : { AUTH_SECRET: secret, RATE_LIMIT: '0', ADDRESS_RATE_LIMIT: '0' }
  const token = secret === undefined ? undefined : await signToken(secret, USER)
  // An empty variable means its default.
  await using server = await startHealthyProcess({
    MAX_EVENT_LOOP_DELAY: '',
    ...NO_AUTHENTICATION,
    ...environment,
    ...access,
  })
  const succeeded = await test({ url: server.origin, user: USER, token })
  const errors = await server.stop()
  for (const error of errors) console.error(error)
  return succeeded && errors.length === 0
}

async function onPglite(test: (target: Target) => Promise<boolean>): Promise<boolean> {
  await using folder = await temporaryFolder()
  return await onServer({ DATABASE_URL: '', DATA_DIR: folder.path }, undefined, test)
}

const runs: Record<string, () => Promise<boolean>> = {
  pglite: () => onPglite(conforms),
  async postgres() {
    await using cluster = await startCluster()
    return await onServer({ DATABASE_URL: cluster.url }, randomBytes(32).toString('hex'), conforms)
  },
  async citus() {
    await using stack = new AsyncDisposableStack()
    const url = await createDistributed(stack)
    if (url !== undefined) return await onServer({ DATABASE_URL: url }, randomBytes(32).toString('hex'), conforms)
    console.log(NO_CITUS)
    return true
  },
  proxy: () =>
    onPglite(async target => {
      await using proxy = await startProxy(target.url)
      return report({ workflows: await workflows({ ...target, url: proxy.url }) })
    }),
  async mock() {
    await using mock = await startMock()
    const result = await workflows({ url: mock.url, user: USER, token: 'any' })
    report({ workflows: result })
    // It knows no key that was used and no revision that has changed.
    const found = [...result.findings.values()].flat()
    return ['other-request', 'outdated'].every(step => found.some(text => text.includes(`, step ${step}:`)))
  },
}

/** `--url`: a server that somebody else runs. */
async function remote(url: string, token: string | undefined, user: string | undefined): Promise<boolean> {
  const owner = user ?? (token === undefined ? USER : decodeJwt(token).sub)
  if (owner === undefined) throw new Error('The token has no sub: name the user with --user.')
  console.log(`Testing ${url} as ${owner}, whose data will be erased.`)
  return await conforms({ url: url.replace(/\/$/, ''), user: owner, token })
}

const interrupted = abortOnSignals()
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { url: { type: 'string' }, token: { type: 'string' }, user: { type: 'string' } },
})
if (values.url !== undefined) process.exit((await remote(values.url, values.token, values.user)) ? 0 : 1)

const results: boolean[] = []
for (const name of positionals.length > 0 ? positionals : Object.keys(runs)) {
  if (interrupted.aborted) break
  const run = runs[name]
  if (run === undefined) throw new Error(`Unknown run ${name}: use ${Object.keys(runs).join(', ')}.`)
  console.log(`\nConformance: ${name}`)
  const succeeded = await run()
  console.log(`${name}: ${succeeded ? 'passed' : 'failed'}`)
  results.push(succeeded)
}
process.exit(!interrupted.aborted && results.every(Boolean) ? 0 : 1)
