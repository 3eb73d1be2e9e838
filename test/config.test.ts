/** The configuration's variables. */
import t from 'tap'
import { type Config, quotas, startWarnings, variables } from '../src/config.ts'
import { UNLIMITED } from '../src/quotas.ts'

t.test('every default is a value that is allowed', async t => {
  for (const [name, { default: fallback, read }] of Object.entries(variables))
    t.doesNotThrow(() => read(fallback), name)
})

t.test('values and mistakes', async t => {
  t.equal(variables.PORT.read('8080'), 8080)
  for (const port of ['-1', '65536', '3000 ', '0x10', 'http'])
    t.throws(() => variables.PORT.read(port), /must be a whole number/, port)
  t.equal(variables.LOG_LEVEL.read('debug'), 'debug')
  t.throws(() => variables.LOG_LEVEL.read('verbose'), /must be one of fatal/)
  t.equal(variables.DATABASE_URL.read(''), undefined)
  for (const url of [
    'postgres://a@b/c',
    'postgresql://u:p@[::1]:5432/d?sslmode=require',
    'postgresql://u@/d?host=/run/postgresql',
  ]) {
    t.equal(variables.DATABASE_URL.read(url), url)
  }
  for (const url of ['localhost/d', 'mysql://a@b/c', 'postgres://a b:c']) {
    t.throws(() => variables.DATABASE_URL.read(url), /must be a URL such as/, url)
  }
})

t.test('a quota of 0 is no limit', async t => {
  const config = (number: number) =>
    ({ QUOTA_TASKS: number, QUOTA_TRASH: number, QUOTA_IDEMPOTENCY_BYTES: number }) as Config
  t.same(quotas(config(7)), { tasks: 7, tombstones: 7, keyBytes: 7 })
  t.same(quotas(config(0)), { tasks: UNLIMITED, tombstones: UNLIMITED, keyBytes: UNLIMITED })
})

t.test('warnings at start', async t => {
  const newest = '99.0.0'
  const warnings = (config: Partial<Config>, node = newest) =>
    startWarnings({ HOST: '127.0.0.1', ...config } as Config, node).map(warning => warning.split(/[: ]/, 2).join(' '))
  const AUTH_ISSUER = 'https://issuer.example'
  const AUTH_JWKS_URL = `${AUTH_ISSUER}/keys`
  const AUTH_AUDIENCE = 'tasks'
  t.same(warnings({}), ['no authentication'])
  t.same(warnings({ AUTH_ISSUER }), ['AUTH_AUDIENCE is'])
  t.same(warnings({ AUTH_JWKS_URL }), ['AUTH_AUDIENCE is'])
  t.same(warnings({ AUTH_ISSUER, AUTH_AUDIENCE }), [])
  t.same(warnings({ AUTH_JWKS_URL, AUTH_AUDIENCE }), [])
  t.same(warnings({ AUTH_SECRET: 'x' }), [], 'who has the secret issues tokens for this service')
  t.same(warnings({}, '24.21.0'), ['no authentication', 'Node 24.21.0'])
  for (const old of ['24.0.0', '24.9.9', '24.22.0']) t.same(warnings({ AUTH_SECRET: 'x' }, old), [`Node ${old}`])
  for (const recent of ['24.22.1', '24.22.10', '24.100.0', '25.0.0', '100.0.0'])
    t.same(warnings({ AUTH_SECRET: 'x' }, recent), [], recent)
})
