/** Properties of positions: they order as asked, never collide, and stay short. */
import fc from 'fast-check'
import t from 'tap'
import {
  MAX_COMFORTABLE,
  MAX_OF_BOUNDS,
  MAX_REWRITTEN,
  positionAtEnd,
  positionAtStart,
  positionBetween,
  positionOfNew,
  type Random,
  rewritten,
} from '../../src/tasks/position.ts'

const NOW = Date.UTC(2026, 10, 24)
const DAY = 86_400_000

/** What a client may write. */
const VALID = /^[0-9A-Za-z]{0,127}[1-9A-Za-z]$/
const digit = fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')
/** Few digits, too, so that neighbours share long beginnings. */
const position = fc
  .oneof(fc.string({ unit: digit, maxLength: 60 }), fc.string({ unit: fc.constantFrom('0', '1', 'z'), maxLength: 60 }))
  .map(text => text.replace(/0+$/, ''))
  .filter(text => text !== '')
const seed = fc.integer()

/** Random numbers that a seed determines (mulberry32). */
function seeded(seed: number): Random {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return limit => Math.floor(((next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53) * limit)
}

/** The position of a task that was never moved. */
const derived = (createdAt: number, id = '80000000') => positionOfNew(createdAt, id)

const isSorted = (positions: string[]) =>
  positions.every((position, i) => i === 0 || (positions[i - 1] as string) < position)

t.test(
  'a new task is after all tasks that were created or moved to the end before, and never moved to the start',
  async () => {
    const times = fc.record({ now: fc.nat(50_000 * DAY), later: fc.integer({ min: 1, max: 10_000 * DAY }), seed })
    fc.assert(
      fc.property(times, ({ now, later, seed }) => {
        const random = seeded(seed)
        const atStart = [now + later, now].map(time => positionAtStart(null, time, random))
        const others = [derived(now), positionAtEnd(derived(now), now + later, random), derived(now + later + 1)]
        return isSorted([...atStart, ...others]) && [...atStart, ...others].every(position => VALID.test(position))
      }),
    )
  },
)

t.test('a position is strictly between its neighbours', async () => {
  const neighbours = fc.uniqueArray(fc.option(position), { minLength: 2, maxLength: 2 })
  fc.assert(
    fc.property(neighbours, seed, ([a, b], seed) => {
      const [before, after] = [a, b].every(key => typeof key === 'string') ? [a, b].sort() : [a, b]
      const between = positionBetween(before as string | null, after as string | null, seeded(seed))
      return VALID.test(between) && (before == null || before < between) && (after == null || between < after)
    }),
    { numRuns: 5000 },
  )
})

t.test('nothing is between neighbours in the wrong order', async t => {
  for (const [before, after] of [
    ['b', 'a'],
    ['a', 'a'],
    ['ab', 'a'],
    ['a', 'a0'],
    ['a', 'a00'],
  ] as const)
    t.throws(() => positionBetween(before, after), RangeError)
})

t.test('positions at the same place have at least 16 random bits', async t => {
  const random = seeded(1)
  for (const [before, after] of [
    ['a', 'b'],
    ['a', 'a1'],
    ['a1', 'b'],
    ['a', null],
    [null, 'a'],
    [derived(NOW, '0000000a'), derived(NOW, '0000000b')],
    [derived(NOW), null],
    [null, derived(NOW)],
    ['zzzzzzzzzzz', null],
    [null, '00000000001'],
    [`${'a'.repeat(49)}1`, `${'a'.repeat(49)}2`],
  ] as const) {
    const positions = Array.from({ length: 2000 }, () => positionBetween(before, after, random))
    // With 16 bits, about 30 of them were equal.
    t.equal(new Set(positions).size, 2000, `${before} < ${positions[0]} < ${after}`)
  }
})

t.test('the ends do not grow', async t => {
  const random = seeded(2)
  const middle = derived(NOW)
  for (const clock of [(i: number) => NOW + i, () => NOW, (i: number) => NOW - i * DAY]) {
    const [atStart, atEnd] = [[middle], [middle]]
    for (let i = 1; i <= 10_000; i++) {
      atEnd.push(positionAtEnd(atEnd.at(-1) as string, clock(i), random))
      atStart.push(positionAtStart(atStart.at(-1) as string, clock(i), random))
    }
    t.ok(isSorted(atEnd) && isSorted(atStart.reverse()))
    t.equal(Math.max(...[...atEnd, ...atStart].map(position => position.length)), 23)
  }
  t.ok(positionAtStart(null, 0) < positionAtEnd(null, 0))
  t.ok(positionAtEnd('zzz', NOW) > 'zzz', 'a position that a client wrote beyond all times')
  t.ok(positionAtStart('001', NOW) < '001')
})

/** A list of positions. */
class Tasks {
  positions: string[]
  readonly #random: Random
  longest = 0
  rewrites = 0
  rewritten = 0
  longestRun = 0
  longestRewritten = 0

  constructor(positions: string[], random: Random) {
    this.positions = positions
    this.#random = random
  }

  /** Where a position belongs: the number of those before it. */
  place(position: string): number {
    let [low, high] = [0, this.positions.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.positions[middle] as string) < position) low = middle + 1
      else high = middle
    }
    return low
  }

  /** @returns where it is now */
  add(position: string): number {
    const place = this.place(position)
    if (this.positions[place] === position) throw new Error(`a position twice: ${position}`)
    this.positions.splice(place, 0, position)
    this.longest = Math.max(this.longest, position.length)
    return place
  }

  between(place: number): string {
    return positionBetween(this.positions[place - 1] ?? null, this.positions[place] ?? null, this.#random)
  }

  /** Rewrites the run of long positions around a place, as the service does. */
  rewrite(place: number): void {
    const start = Math.max(0, place - MAX_REWRITTEN)
    const before = [...(start === 0 ? [null] : []), ...this.positions.slice(start, place)]
    const after = this.positions.slice(place, place + MAX_REWRITTEN + 1)
    const end = place + after.length === this.positions.length ? [null] : []
    const run = rewritten([...before, ...after, ...end], before.length, this.#random)
    this.positions.splice(place - before.length + run.from, run.positions.length, ...run.positions)
    this.rewrites++
    this.rewritten += run.positions.length
    this.longestRun = Math.max(this.longestRun, run.positions.length)
    this.longestRewritten = Math.max(this.longestRewritten, ...run.positions.map(({ length }) => length))
  }
}

/** The place of the next move, one of the gaps 1 … `size` - 1, given the place of the last one. */
const patterns: Record<string, (size: number, last: number, i: number, random: Random) => number> = {
  'directly after the same task': () => 1,
  'directly before the same task': size => size - 1,
  'bisecting: before and after the task moved last': (_, last, i) => Math.max(1, last + (i % 2)),
  'at random': (size, _, __, random) => 1 + random(size - 1),
}

/** Neighbours that were never moved, from the widest gap to the narrowest. */
const gaps: Record<string, [string, string]> = {
  'a second apart': [derived(NOW), derived(NOW + 1000)],
  'in the same millisecond': [derived(NOW, '3f2a9c01'), derived(NOW, 'c80d11e7')],
  'with consecutive ids': [derived(NOW, '0000000a'), derived(NOW, '0000000b')],
}

for (const [name, next] of Object.entries(patterns))
  t.test(`10,000 moves into one gap, ${name}`, async t => {
    for (const [between, neighbours] of Object.entries(gaps)) {
      const grow = (moves: number, isRewriting: boolean) => {
        const random = seeded(moves)
        const tasks = new Tasks([...neighbours], random)
        let last = 1
        for (let i = 0; i < moves; i++) {
          last = tasks.add(tasks.between(next(tasks.positions.length, last, i, random)))
          if (isRewriting && (tasks.positions[last] as string).length > MAX_COMFORTABLE) tasks.rewrite(last)
        }
        t.equal(tasks.positions.length, moves + 2)
        t.ok(isSorted(tasks.positions))
        return tasks
      }
      const alone = [10, 30, 100, 1000].map(moves => `${grow(moves, false).longest} after ${moves}`)
      const { longest, rewrites, rewritten, longestRun, longestRewritten } = grow(10_000, true)
      t.ok(longest <= 64, `${between}: at most 64 characters: ${longest}`)
      t.comment(
        `${between}: longest, not rewritten: ${alone.join(', ')}; of 10,000: ${longest}, with ${rewrites} rewrites ` +
          `of ${rewritten} positions, at most ${longestRun} at a time, to at most ${longestRewritten} characters`,
      )
    }
  })

t.test('rewritten positions are short and keep the order', async () => {
  const bound = fc.option(position.map(position => `${position.slice(0, MAX_OF_BOUNDS - 1)}1`))
  const bounds = fc.uniqueArray(bound, { minLength: 2, maxLength: 2 })
  const wide = fc.constantFrom([null, null], ['zzzzzzzzzzz', null], [null, '00000000001'])
  fc.assert(
    fc.property(
      fc.oneof(bounds, wide),
      fc.integer({ min: 1, max: 2 * MAX_REWRITTEN - 1 }),
      seed,
      ([a, b], count, seed) => {
        const [lower, upper] = (typeof a === 'string' && typeof b === 'string' ? [a, b].sort() : [a, b]) as [
          string,
          string,
        ]
        const long = 'x'.repeat(MAX_COMFORTABLE + 1)
        const { from, positions } = rewritten([lower, ...Array(count).fill(long), upper], count, seeded(seed))
        const all = [lower, ...positions, upper].filter(position => position != null)
        return (
          from === 1 &&
          positions.length === count &&
          isSorted(all) &&
          positions.every(position => VALID.test(position) && position.length <= 37)
        )
      },
    ),
    { numRuns: 5000 },
  )
})

t.test('8 writers move 10,000 tasks each, next to neighbours as they were: all positions differ', async t => {
  fc.assert(
    fc.property(seed, fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 100 }), (seed, size, hot) => {
      const random = seeded(seed)
      const tasks = new Tasks(
        Array.from({ length: size }, (_, nth) => derived(NOW + nth)),
        random,
      )
      for (let round = 0; round < 10_000; round++) {
        // All of them read before any of them writes; some go into the same gap.
        const moves = Array.from({ length: 8 }, () => {
          const moved = tasks.positions[random(size)] as string
          const place = random(100) < hot ? Math.min(size, 1) : random(size + 1)
          return { moved, to: tasks.between(place) }
        })
        for (const { moved, to } of moves) {
          const place = tasks.place(moved)
          // Two writers may move the same task: the later one wins, and the earlier position is gone.
          if (tasks.positions[place] === moved) tasks.positions.splice(place, 1)
          else tasks.positions.splice(random(tasks.positions.length), 1)
          const now = tasks.add(to)
          if (to.length > MAX_COMFORTABLE) tasks.rewrite(now)
        }
      }
      t.equal(tasks.positions.length, size)
      t.ok(isSorted(tasks.positions))
      t.ok(tasks.longest <= 64)
      t.comment(`${size} tasks, ${hot} % into one gap: longest ${tasks.longest}, rewritten ${tasks.rewrites} times`)
    }),
    { numRuns: 6 },
  )
})
