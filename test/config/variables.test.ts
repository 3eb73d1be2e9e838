/** Which values each variable accepts. */
import t from 'tap'
import { variables } from '../../src/config/variables.ts'

t.test('every default is a valid value', async t => {
  for (const [name, { default: fallback, parse }] of Object.entries(variables))
    t.doesNotThrow(() => parse(fallback), name)
})

t.test('valid values are parsed, and invalid ones throw an error that describes valid ones', async t => {
  t.equal(variables.PORT.parse('8080'), 8080)
  for (const port of ['-1', '65536', '3000 ', '0x10', 'http'])
    t.throws(() => variables.PORT.parse(port), /must be a whole number/, port)
  t.equal(variables.LOG_LEVEL.parse('debug'), 'debug')
  t.throws(() => variables.LOG_LEVEL.parse('verbose'), /must be one of fatal/)
  t.equal(variables.DATABASE_URL.parse(''), undefined)
  for (const url of [
    'postgres://a@b/c',
    'postgresql://u:p@[::1]:5432/d?sslmode=require',
    'postgresql://u@/d?host=/run/postgresql',
  ]) {
    t.equal(variables.DATABASE_URL.parse(url), url)
  }
  for (const url of ['localhost/d', 'mysql://a@b/c', 'postgres://a b:c']) {
    t.throws(() => variables.DATABASE_URL.parse(url), /must be a URL such as/, url)
  }
})
