/** How the real process is started with and without authentication. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { environment, runToExit, startProcess, untilHealthy } from '../scripts/support/process.ts'
import { client, ownDatabase } from '../scripts/support/service.ts'
import { bearer, secret, startIssuer } from './support/issuer.ts'

const tokenScript = fileURLToPath(new URL('../src/commands/token.ts', import.meta.url))

/** Whether the line is a warning about this machine's version of Node, which may or may not appear. */
const isAboutNode = ({ msg }: { msg?: string }) => msg?.startsWith('Node ') === true

t.test('without authentication the service refuses to start on other addresses and in production', async t => {
  const toSet = 'Set AUTH_ISSUER, AUTH_JWKS_URL or AUTH_SECRET'
  for (const HOST of ['0.0.0.0', '::', '192.0.2.1', 'example.org', '127.evil.example']) {
    const { code, stderr } = await runToExit({ HOST })
    t.equal(code, 1)
    t.equal(
      stderr,
      `Without authentication, HOST must be a loopback address, not "${HOST}". ${toSet}, or set HOST to 127.0.0.1.\n`,
    )
  }
  const { code, stderr } = await runToExit({ NODE_ENV: 'production' })
  t.equal(code, 1)
  t.equal(stderr, `Authentication is required in production. ${toSet}.\n`)
  await using config = await ownDatabase()
  await using service = await startProcess({ ...environment(config), HOST: 'localhost' })
  const { log } = service
  t.match(log[0]?.msg, 'no authentication')
})

t.test('RATE_LIMIT changes the limit, and 0 switches it off', async t => {
  await using config = await ownDatabase()
  const env = { ...environment(config), AUTH_SECRET: secret, RATE_LIMIT: '0', ADDRESS_RATE_LIMIT: '0' }
  await using unlimited = await startProcess(env)
  await untilHealthy(unlimited.origin)
  const alice = await client(unlimited.origin).newUser({ header: bearer })
  const { headers } = await alice.send.listTasks()
  t.notOk(headers.has('ratelimit'))
  await unlimited.end('SIGTERM')

  await using service = await startProcess({ ...environment(config), RATE_LIMIT: '7' })
  const { origin } = service
  await untilHealthy(origin)
  const bob = await client(origin).newUser()
  const limited = await bob.send.listTasks()
  t.equal(limited.headers.get('ratelimit-policy'), '"user";q=7;w=60', 'also without authentication')
})

t.test('with authentication the service starts on any address, also in production', async t => {
  await using config = await ownDatabase()
  const env = {
    ...environment(config),
    HOST: '0.0.0.0',
    NODE_ENV: 'production',
    AUTH_SECRET: secret,
    TRUST_PROXY: '127.0.0.1,::1',
    CORS_ORIGINS: 'https://app.example.org',
  }
  await using service = await startProcess(env)
  const { origin, log } = service
  t.same(
    log.filter(line => line.level === 40 && !isAboutNode(line)),
    [],
  )
  await untilHealthy(origin)
  const alice = await client(origin).newUser()
  const { stdout } = await promisify(execFile)(process.execPath, [tokenScript, alice.id], {
    env: { ...process.env, ...env },
  })
  t.equal((await alice.send.listTasks()).status, 401)
  const header = { authorization: `Bearer ${stdout.trim()}` }
  const answer = await alice.send.listTasks({ header })
  t.equal(answer.status, 200, 'with a token from `npm run token`')
  t.match(answer.headers.get('ratelimit-policy'), '"user";q=1200;w=60', 'the default limit')
  t.notMatch(JSON.stringify(log), /secret|eyJ/, 'neither secrets nor tokens are logged')
})

t.test('an issuer without an audience logs a warning, and AUTH_TOKEN_TYPE rejects other types of token', async t => {
  await using issuer = await startIssuer()
  await issuer.addKey('key')
  await using config = await ownDatabase()
  const env = { ...environment(config), AUTH_ISSUER: issuer.url, AUTH_TOKEN_TYPE: 'at+jwt' }
  await using service = await startProcess(env)
  const { origin, log } = service
  t.match(log[0], { level: 40, msg: /^AUTH_AUDIENCE is not set: every token of the issuer is accepted/ })
  await untilHealthy(origin)
  const alice = await client(origin).newUser()
  const status = async (header: Record<string, string>) => (await alice.send.listTasks({ header })).status
  t.equal(await status(await issuer.bearer(alice.id, 'key')), 401, 'it might be an ID token')
  t.equal(await status(await issuer.bearer(alice.id, 'key', {}, { typ: 'at+jwt' })), 200)
})

t.test('AUTH_ISSUER, PUBLIC_URL and SECURITY_CONTACT are in the documents for discovery', async t => {
  await using issuer = await startIssuer()
  await using config = await ownDatabase()
  await using service = await startProcess({
    ...environment(config),
    AUTH_ISSUER: issuer.url,
    PUBLIC_URL: 'https://tasks.example.org',
    SECURITY_CONTACT: 'https://example.org/security',
  })
  const at = (path: string) => fetch(`${service.origin}/.well-known/${path}`)
  const metadata = { resource: 'https://tasks.example.org', authorization_servers: [issuer.url] }
  t.match(await (await at('oauth-protected-resource')).json(), metadata)
  t.match(await (await at('security.txt')).text(), 'Contact: https://example.org/security\n')
})

t.test('AUTH_SECRET and AUTH_ISSUER together end the start with one sentence', async t => {
  const { code, stderr } = await runToExit({ AUTH_SECRET: secret, AUTH_ISSUER: 'https://issuer.example' })
  t.equal(code, 1)
  t.match(stderr, /^AUTH_SECRET cannot be combined with AUTH_ISSUER or AUTH_JWKS_URL\.\n$/)
})
