/** `npm run token` issues a token for development. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { secret } from '../support/issuer.ts'

const script = fileURLToPath(new URL('../../src/commands/token.ts', import.meta.url))

t.test('the command prints a token for a user, and needs AUTH_SECRET', async t => {
  const run = (args: string[], env: Record<string, string>) =>
    promisify(execFile)(process.execPath, [script, ...args], { env: { ...process.env, AUTH_SECRET: '', ...env } })
  const usage = /^Usage: npm run token -- <user_id> \[seconds\]/
  for (const args of [[], ['a b'], ['alice', 'soon'], ['alice', '60', 'more']]) {
    await t.rejects(run(args, { AUTH_SECRET: secret }), { code: 1, stderr: usage }, args.join(' '))
  }
  await t.rejects(run(['alice'], {}), { code: 1, stderr: "Set AUTH_SECRET to the service's secret.\n" })
  const env = { AUTH_SECRET: secret, AUTH_AUDIENCE: 'tasks', AUTH_TOKEN_TYPE: 'at+jwt' }
  const { stdout } = await run(['alice', '60'], env)
  const [header, claims] = stdout.split('.', 2).map(part => JSON.parse(Buffer.from(part, 'base64url').toString()))
  t.equal(header.typ, 'at+jwt')
  t.match(claims, { sub: 'alice', aud: 'tasks', exp: claims.iat + 60 })
})
