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
  for (const url of ['https://tasks.example.org', 'https://tasks.example.org:8443', 'http://localhost:3000']) {
    t.equal(variables.PUBLIC_URL.parse(url), url)
  }
  for (const url of ['tasks.example.org', 'https://tasks.example.org/', 'https://a/b', 'http://tasks.example.org']) {
    t.throws(() => variables.PUBLIC_URL.parse(url), /must be an origin such as/, url)
  }
  for (const uri of ['mailto:security@example.org', 'https://example.org/security?a=b', 'tel:+49-30-123']) {
    t.equal(variables.SECURITY_CONTACT.parse(uri), uri)
  }
  for (const uri of ['security@example.org', 'http://example.org', 'https://', 'mailto:a@b\nExpires: x', 'mailto:a']) {
    t.throws(() => variables.SECURITY_CONTACT.parse(uri), /must be a URI such as/, uri)
  }
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
