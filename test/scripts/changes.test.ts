/** `npm run breaking`: how it judges what oasdiff finds. */
import t from 'tap'
import { describe, judge, judgeUnreferenced, neededStep, type Unreferenced } from '../../scripts/release/changes.ts'
import type { Finding } from '../../scripts/support/oasdiff.ts'

const finding = (id: string, level: Finding['level'], text = id, path = '/a'): Finding => ({
  id,
  text,
  level,
  operation: 'GET',
  path,
})

t.test('the same change in several places is one change; the most severe comes first', async t => {
  const text = (status: number) => `removed \`x\` from the response with the \`${status}\` status`
  const changes = judge([
    finding('added', 1),
    finding('odd', 2),
    finding('removed', 3, text(200)),
    finding('removed', 3, text(201)),
    finding('removed', 3, text(200), '/b'),
    { id: 'schema', text: 'schema', level: 1 },
    finding('api-version-not-bumped', 1),
  ])
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

t.test('a lower limit and a value that is no longer listed are breaking, the reverse is not', async t => {
  const contract = (body_bytes?: number, ...codes: string[]): Unreferenced => ({
    'x-limits': body_bytes === undefined ? {} : { body_bytes },
    components: { schemas: { Code: { enum: codes }, Task: {} } },
  })
  const texts = (released: Unreferenced, current: Unreferenced) => describe(judgeUnreferenced(released, current))
  t.same(texts(contract(2), contract(1)), ['ERR   lowered the limit `body_bytes` from 2 to 1 (contract)'])
  t.same(texts(contract(), contract(1)), ['ERR   added the limit `body_bytes` (contract)'])
  t.same(texts(contract(1), contract(2)), [])
  t.same(texts(contract(1), contract()), [])
  t.same(texts(contract(1, 'a', 'b'), contract(1, 'b')), ['ERR   removed `a` from `Code` (contract)'])
  t.same(texts(contract(1, 'a'), contract(1, 'a', 'b')), [])
  const gone = { ...contract(1), components: { schemas: {} } }
  t.same(texts(contract(1, 'a'), gone), ['ERR   removed `a` from `Code` (contract)'])
})

t.test('an exception makes a change harmless and is printed with its reason', async t => {
  const changes = judge([finding('removed', 3)], { removed: 'nobody has used it' })
  t.same(describe(changes), ['INFO  removed (GET /a); nobody has used it'])
})

t.test('the needed step follows the most severe change', async t => {
  const step = (level: Finding['level']) => neededStep(judge([finding('x', level)]))
  t.equal(step(3), 'major')
  t.equal(step(2), 'minor')
  t.equal(step(1), 'minor')
  t.equal(neededStep([]), 'patch')
})
