/** Properties of the example client's positions: they order as asked, can be written, and stay short. */
import fc from 'fast-check'
import t from 'tap'
import { positionBetween } from '../../scripts/examples/offline-sync/position.ts'
import { contract } from '../../scripts/support/contract.ts'

const { components } = contract.document as unknown as {
  components: { schemas: { PositionInput: { pattern: string; maxLength: number } } }
}
const { pattern, maxLength } = components.schemas.PositionInput
const isValid = (position: string) => new RegExp(pattern).test(position) && position.length <= maxLength

const digit = fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')
/** Few digits, too, so that neighbours share long beginnings. */
const position = fc
  .oneof(fc.string({ unit: digit, maxLength: 60 }), fc.string({ unit: fc.constantFrom('0', '1', 'z'), maxLength: 60 }))
  .map(text => text.replace(/0+$/, ''))
  .filter(text => text !== '')

t.test('a position is valid, and between its neighbours or beyond a single one', async () => {
  const neighbours = fc.tuple(position, position).filter(([one, other]) => one !== other)
  fc.assert(
    fc.property(neighbours, pair => {
      const [before, after] = pair.sort() as [string, string]
      const [first, between, last] = [
        positionBetween(null, before),
        positionBetween(before, after),
        positionBetween(after, null),
      ]
      return (
        first < before && before < between && between < after && after < last && [first, between, last].every(isValid)
      )
    }),
    { numRuns: 2000 },
  )
})

t.test('10,000 tasks moved to the start and to the end have short positions', async t => {
  let first = positionBetween(null, null)
  let last = first
  for (let count = 0; count < 10_000; count += 1) {
    const [start, end] = [positionBetween(null, first), positionBetween(last, null)]
    if (start >= first || end <= last) t.fail(`${start} < ${first}, ${end} > ${last}`)
    first = start
    last = end
  }
  t.ok(first.length <= 10 && last.length <= 10)
})

t.test('500 tasks moved into one gap have valid positions', async t => {
  const [before, end] = ['V179600000000001a19b7cV', 'V179600000000101a19b7cV']
  for (const isBehindTheLast of [true, false]) {
    let [low, high] = [before, end]
    for (let count = 0; count < 500; count += 1) {
      const position = positionBetween(low, high)
      if (position <= low || position >= high || !isValid(position)) t.fail(`${low} < ${position} < ${high}`)
      if (isBehindTheLast) low = position
      else high = position
    }
    t.ok(low < high)
  }
})

t.test('1,000 devices that move a task to the same place choose different positions', async t => {
  const positions = Array.from({ length: 1000 }, () => positionBetween('V1', 'V2'))
  t.ok(new Set(positions).size >= 999)
})
