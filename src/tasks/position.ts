/**
 * Positions: keys that order tasks by hand, compared by code unit (`collate "C"`).
 *
 * A position is a fraction in base 62, without its "0.". So there is always room between two of them, and none ends in
 * 0: nothing would fit between "a" and "a0". Positions at the ends of a list start with a head: a letter and a time in
 * milliseconds. Tasks that are created or moved to the end count upwards from V0…0, tasks that are moved to the start
 * count downwards from U9…9. So the ends never grow. Positions that are made here end in random digits, so that
 * concurrent requests do not choose the same one.
 */
import { randomInt } from 'node:crypto'

/** A random whole number from 0 to `limit` - 1. */
export type Random = (limit: number) => number

/** Longer positions are worth rewriting; see `rewritten`. */
export const MAX_COMFORTABLE = 48

/**
 * Maximum number of positions to rewrite on each side of the one that is too long. If 10,000 moves bisect one gap, they
 * rewrite 16 positions each, and reach 51 characters; with 20, they would reach 70, and with 500, rewrite 60 each.
 */
export const MAX_REWRITTEN = 100

/**
 * What to rewrite around a position that is too long: its run of neighbours longer than this. Positions of tasks that
 * were never moved have 23 characters, and those between two of them mostly fit. So the bounds of a run that is not cut
 * are short, and its new positions have at most 37 characters.
 */
export const MAX_OF_BOUNDS = 28

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const BASE = 62n
const VALUES = new Map([...DIGITS].map((digit, value) => [digit, BigInt(value)]))

/** Digits of the time in a head. */
const TIME = 13
/** Heads with V have the numbers from 0 to HEADS - 1, those with U from -HEADS to -1. */
const HEADS = 10 ** TIME

/** Random digits after a head: 35.7 bits. */
const JITTER = 6
const JITTERS = 62 ** JITTER

/** Random bits of a position between two others. */
const BITS = 36n
const CHOICES = 1n << BITS

/** The part of a gap that a position takes if it is put next to one of its neighbours. */
const STEPS = 256n

const secure: Random = limit => randomInt(limit)

/**
 * The position of a new task: the order of creation. The id tells tasks of one millisecond apart, without a random
 * number. The migration has the same for tasks that are older than positions.
 */
export const positionOfNew = (now: number, id: string): string => `V${`${now}`.padStart(TIME, '0')}${id.slice(-8)}V`

/**
 * @param last the greatest position, if there is one; decides only if it was written by a client or a faster clock
 * @param now in milliseconds
 */
export function positionAtEnd(last: string | null, now: number, random = secure): string {
  const position = withHead(now, random)
  return last === null || position > last ? position : positionBetween(last, null, random)
}

/** @param first the least position, if there is one; decides as the last one does for the end */
export function positionAtStart(first: string | null, now: number, random = secure): string {
  const position = withHead(-1 - now, random)
  return first === null || position < first ? position : positionBetween(null, first, random)
}

/**
 * A position between two neighbours; null is the start or the end, where positions do not become longer.
 * @throws RangeError if `before` is not less than `after`
 */
export function positionBetween(before: string | null, after: string | null, random = secure): string {
  const isAtEnd = before === null || after === null
  const [lower, upper] = [before?.length ?? 0, after?.length ?? 0]
  // Do not bisect: the longer neighbour is usually the task moved here last, and the next one goes to its other side.
  // A small step leaves most of the gap for that. Moves that do bisect reach long positions; those are bisected.
  const isStep = lower !== upper && Math.max(lower, upper) <= MAX_COMFORTABLE
  if (!isStep || (isAtEnd && findHeads(1, before, after) !== undefined)) return spread(1, before, after, random)[0]
  const { first, size, length } = findGap(before ?? '', after, STEPS * CHOICES)
  const step = within(size / STEPS, random)
  return write(lower > upper ? first + step : first + size - 1n - step, length)
}

/**
 * Short positions, in the same order, for the run of long ones around a place.
 * @param window positions around the place, in order; null before the first and after the last of the list. The
 * outermost two are not rewritten, but bound the run. Those before the place must be less than it; others may be equal.
 * @returns the new positions, and the place of the first in the window
 */
export function rewritten(
  window: readonly (string | null)[],
  place: number,
  random = secure,
): { from: number; positions: string[] } {
  // Only the outermost two can be null.
  const isLong = (nth: number) => (window[nth] as string).length > MAX_OF_BOUNDS
  let [from, to] = [place, place + 1]
  while (from > 1 && isLong(from - 1)) from--
  while (to < window.length - 1 && isLong(to)) to++
  const [lower, upper] = [window[from - 1] ?? null, window[to] ?? null]
  return { from, positions: spread(to - from, lower, upper, random) }
}

function spread(count: 1, lower: string | null, upper: string | null, random: Random): [string]
function spread(count: number, lower: string | null, upper: string | null, random: Random): string[]
function spread(count: number, lower: string | null, upper: string | null, random: Random): string[] {
  const each = (position: (nth: bigint) => string) => Array.from({ length: count }, (_, nth) => position(BigInt(nth)))
  if (lower === null || upper === null) {
    const firstHead = findHeads(count, lower, upper)
    if (firstHead !== undefined) return each(nth => withHead(firstHead + Number(nth), random))
  }
  const { first, size, length } = findGap(lower ?? '', upper, 2n * CHOICES * BigInt(count))
  const share = size / BigInt(count)
  // In the middle half of its share, so that all gaps are wide.
  return each(nth => write(first + share * nth + share / 4n + within(share / 2n, random), length))
}

/** The first of `count` heads beyond the neighbour, unless that is at the very end of what heads can count. */
function findHeads(count: number, lower: string | null, upper: string | null): number | undefined {
  const first = upper !== null ? headOf(upper) - count : lower !== null ? headOf(lower) + 1 : 0
  return first >= -HEADS && first + count <= HEADS ? first : undefined
}

/** The shortest length at which at least `needed` positions are between two others: the first one, and how many. */
function findGap(lower: string, upper: string | null, needed: bigint) {
  if (upper !== null && (lower >= upper || upper.endsWith('0'))) throw new RangeError(`not between ${lower}, ${upper}`)
  let [low, high] = [0n, upper === null ? 1n : 0n]
  let [length, size] = [0, -1n]
  while (size < needed) {
    length += 1
    low = low * BASE + digitOf(lower, length)
    high = high * BASE + digitOf(upper ?? '', length)
    size = high - low - 1n
  }
  return { first: low + 1n, size, length }
}

/** A random one of `size` numbers; it has `BITS` random bits if `size` has as many. */
const within = (size: bigint, random: Random) => (size * BigInt(random(Number(CHOICES)))) >> BITS

function withHead(head: number, random: Random): string {
  const time = `${head < 0 ? head + HEADS : head}`.padStart(TIME, '0')
  return `${head < 0 ? 'U' : 'V'}${time}${write(BigInt(1 + random(JITTERS - 1)), JITTER)}`
}

/** The number of a position's head, or of the nearest head if a client wrote something else. */
function headOf(position: string): number {
  if (position < 'U') return -HEADS
  if (position >= 'W') return HEADS - 1
  const time = position.slice(1, 1 + TIME).padEnd(TIME, '0')
  // Letters come after all digits.
  const head = Number(time.replace(/[^0-9].*/, '').padEnd(TIME, '9'))
  return position < 'V' ? head - HEADS : head
}

/** @param nth counted from 1; a position goes on with zeros */
const digitOf = (position: string, nth: number) => VALUES.get(position.charAt(nth - 1)) ?? 0n

function write(value: bigint, length: number): string {
  let text = ''
  for (let rest = value; text.length < length; rest /= BASE) text = DIGITS.charAt(Number(rest % BASE)) + text
  return text.replace(/0+$/, '')
}
