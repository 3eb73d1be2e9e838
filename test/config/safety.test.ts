/** Warnings about an unsafe configuration; test/main-authentication.test.ts covers what is refused. */
import t from 'tap'
import { startWarnings } from '../../src/config/safety.ts'
import type { Config } from '../../src/config/variables.ts'

t.test('a start without authentication, without an audience, or on an old Node warns', async t => {
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
  t.same(warnings({ AUTH_SECRET: 'x' }), [], 'a secret belongs to this service alone')
  t.same(warnings({}, '24.21.0'), ['no authentication', 'Node 24.21.0'])
  for (const old of ['24.0.0', '24.9.9', '24.22.0']) t.same(warnings({ AUTH_SECRET: 'x' }, old), [`Node ${old}`])
  for (const recent of ['24.22.1', '24.22.10', '24.100.0', '25.0.0', '100.0.0'])
    t.same(warnings({ AUTH_SECRET: 'x' }, recent), [], recent)
})
