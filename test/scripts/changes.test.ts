/** `npm run breaking`: how it judges what oasdiff finds. */
import t from 'tap'
import { type Change, describe, judge, judgeLimits, neededStep } from '../../scripts/release/changes.ts'
import type { Finding } from '../../scripts/support/oasdiff.ts'

const finding = (id: string, level: Finding['level'], text = id, path = '/a'): Finding => ({
  id,
  text,
  level,
  operation: 'GET',
  path,
})
const levels = (changes: Change[]) => changes.map(({ level }) => level)

t.test('the same change in several places is one change; the most severe comes first', async t => {
  const text = (status: number) => `removed \`x\` from the response with the \`${status}\` status`
  const changes = judge(
    [
      finding('added', 1),
      finding('odd', 2),
      finding('removed', 3, text(200)),
      finding('removed', 3, text(201)),
      finding('removed', 3, text(200), '/b'),
      { id: 'schema', text: 'schema', level: 1 },
      finding('api-version-not-bumped', 1),
    ],
    {},
  )
  t.same(describe(changes), [
    'ERR   removed `x` (GET /a and 1 more)',
    'WARN  odd (GET /a)',
    'INFO  added (GET /a)',
    'INFO  schema (contract)',
  ])
})

t.test('a changed request pattern is breaking, a changed response pattern is not', async t => {
  const changes = judge(
    [finding('request-parameter-pattern-changed', 2), finding('response-property-pattern-changed', 2)],
    {},
  )
  t.same(describe(changes), [
    'ERR   request-parameter-pattern-changed (GET /a); the new pattern may reject what the old one accepts',
    'WARN  response-property-pattern-changed (GET /a)',
  ])
})

t.test('a new value in a response is breaking unless the released contract allows it already', async t => {
  const code = { $ref: '#/components/schemas/Code' }
  const open = { anyOf: [code, { type: 'string' }] }
  const level = (released: unknown, place = 'code/anyOf[#/components/schemas/Code]') => {
    const text = `added the new \`x\` enum value to the \`${place}\` property`
    return levels(judge([finding('response-property-enum-value-added', 3, text)], released))[0]
  }
  t.equal(level({ a: open }), 'INFO')
  t.equal(level({ a: [{ anyOf: [{ type: 'string', pattern: '^[a-z]+$', maxLength: 1 }, code] }] }), 'INFO')
  t.equal(level({ a: open }, 'code'), 'ERR', 'at another place')
  t.equal(level({ a: code }), 'ERR', 'without alternatives')
  t.equal(level({ a: { anyOf: [code, { type: 'null' }] } }), 'ERR', 'no string')
  t.equal(level({ a: { anyOf: [code, { type: 'string', enum: ['y'] }] } }), 'ERR', 'another list')
  t.equal(level({ a: { anyOf: [code, { type: 'string', pattern: '^y' }] } }), 'ERR', 'another pattern')
  t.equal(level({ a: { anyOf: [code, { type: 'string', maxLength: 0 }] } }), 'ERR', 'too long')
  t.equal(level({ a: open, b: { anyOf: [code, { type: 'null' }] } }), 'ERR', 'not everywhere')
})

t.test('a lower limit is breaking, a higher one is not', async t => {
  const limits = (body_bytes?: number) => ({ 'x-limits': { ...(body_bytes !== undefined && { body_bytes }) } })
  t.match(describe(judgeLimits(limits(2), limits(1))), [/^ERR {3}lowered the limit `body_bytes` from 2 to 1/])
  t.same(judgeLimits(limits(1), limits(2)), [])
  t.match(describe(judgeLimits(limits(), limits(1))), [/^ERR {3}added the limit `body_bytes`/])
  t.same(judgeLimits(limits(1), limits()), [])
})

t.test('an exception makes a change harmless and is printed with its reason', async t => {
  const changes = judge([finding('removed', 3)], {}, { removed: 'nobody has used it' })
  t.same(describe(changes), ['INFO  removed (GET /a); nobody has used it'])
})

t.test('the needed step follows the most severe change', async t => {
  const step = (level: Finding['level']) => neededStep(judge([finding('x', level)], {}))
  t.equal(step(3), 'major')
  t.equal(step(2), 'minor')
  t.equal(step(1), 'minor')
  t.equal(neededStep([]), 'patch')
})
