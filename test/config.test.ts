/** The configuration's variables. */
import t from 'tap'
import { variables } from '../src/config.ts'

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
