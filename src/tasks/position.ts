/**
 * Positions: keys that order tasks by hand, compared by code unit (`collate "C"`).
 *
 * A position is a fraction in base 62, without its "0.". So there is always room between two of them, and none ends in
 * 0: nothing would fit between "a" and "a0". The server's own positions start with a head of fixed width, which is made
 * of the time: tasks that are created or moved to the end count upwards from the centre, tasks that are moved to the
 * start count downwards. They end in random digits, so that concurrent requests do not choose the same position.
 */
import { randomInt } from 'node:crypto'

/** A random whole number from 0 to `limit` - 1. */
export type Random = (limit: number) => number

/** Longer positions are worth rewriting; see `rewritten`. */
export const MAX_COMFORTABLE = 48

/**
 * What to rewrite around a position that is too long: its whole run of neighbours longer than this. Then the bounds of
 * the run are short, and 10,000 new positions have at most 34 characters.
 */
export const MAX_OF_BOUNDS = 24

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const BASE = 62n
const VALUES = new Map([...DIGITS].map((digit, value) => [digit, BigInt(value)]))

/** Digits of the head: milliseconds and, in the last two, what is told apart within one. */
const HEAD = 10
const MILLISECOND = BASE ** 2n
const HEADS = BASE ** BigInt(HEAD)
const CENTRE = HEADS / 2n

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
 * The position of a new task: at the end, without reading another task.
 * @param now in milliseconds
 * @param nth of the tasks created at once, from 0 to 3,843; keeps them in order
 */
export function initialPosition(now: number, random = secure, nth = 0): string {
  return withHead(CENTRE + BigInt(now) * MILLISECOND + BigInt(nth), random)
}

/** @param last the greatest position, if there is one; decides only if it was written by a client or a faster clock */
export function positionAtEnd(last: string | null, now: number, random = secure): string {
  const position = initialPosition(now, random)
  return last === null || position > last ? position : positionBetween(last, null, random)
}

/** @param first the least position, if there is one; decides as the last one does for the end */
export function positionAtStart(first: string | null, now: number, random = secure): string {
  const position = withHead(CENTRE - BigInt(now) * MILLISECOND, random)
  return first === null || position < first ? position : positionBetween(null, first, random)
}

/**
 * A position between two neighbours; null is the start or the end, where positions do not become longer.
 * @throws RangeError if `before` is not less than `after`
 */
export function positionBetween(before: string | null, after: string | null, random = secure): string {
  if (before === null || after === null || before.length === after.length) return spread(1, before, after, random)[0]
  // Do not bisect: the longer neighbour is usually the task moved here last, and the next one goes to its other side.
  // A small step leaves most of the gap for that. Moves that do bisect reach long positions; those are bisected.
  if (Math.max(before.length, after.length) > MAX_COMFORTABLE) return spread(1, before, after, random)[0]
  const { first, size, length } = findGap(before, after, STEPS * CHOICES)
  const step = within(size / STEPS, random)
  return write(before.length > after.length ? first + step : first + size - 1n - step, length)
}

/**
 * Short positions, in the same order, for a run of neighbours.
 * @param positions those of the run, at least one
 * @param lower the position before the run, or null if the run begins the list
 * @param upper the position after the run, or null if the run ends the list
 */
export function rewritten(
  positions: readonly string[],
  lower: string | null,
  upper: string | null,
  random = secure,
): string[] {
  return spread(positions.length, lower, upper, random)
}

function spread(count: 1, lower: string | null, upper: string | null, random: Random): [string]
function spread(count: number, lower: string | null, upper: string | null, random: Random): string[]
function spread(count: number, lower: string | null, upper: string | null, random: Random): string[] {
  const each = (position: (nth: bigint) => string) => Array.from({ length: count }, (_, nth) => position(BigInt(nth)))
  if (lower === null || upper === null) {
    const firstHead = findHeads(BigInt(count), lower, upper)
    if (firstHead !== undefined) return each(nth => withHead(firstHead + nth, random))
  }
  const { first, size, length } = findGap(lower ?? '', upper, 2n * CHOICES * BigInt(count))
  const share = size / BigInt(count)
  // In the middle half of its share, so that all gaps are wide.
  return each(nth => write(first + share * nth + share / 4n + within(share / 2n, random), length))
}

/** The first of `count` heads beyond the neighbour, unless that is at the very end of what heads can count. */
function findHeads(count: bigint, lower: string | null, upper: string | null): bigint | undefined {
  if (upper !== null) {
    const first = headOf(upper) - count
    return first > 0n ? first : undefined
  }
  const first = lower === null ? CENTRE : headOf(lower) + 1n
  return first + count <= HEADS ? first : undefined
}

/** The shortest length at which at least `needed` positions are between two others: the first one, and how many. */
function findGap(lower: string, upper: string | null, needed: bigint) {
  if (upper !== null && (lower >= upper || upper.endsWith('0'))) throw new RangeError(`not between ${lower}, ${upper}`)
  let low = 0n
  let high = upper === null ? 1n : 0n
  for (let length = 1; ; length++) {
    low = low * BASE + digitOf(lower, length)
    high = high * BASE + digitOf(upper ?? '', length)
    const size = high - low - 1n
    if (size >= needed) return { first: low + 1n, size, length }
  }
}

/** A random one of `size` numbers; it has `BITS` random bits if `size` has as many. */
const within = (size: bigint, random: Random) => (size * BigInt(random(Number(CHOICES)))) >> BITS

const withHead = (head: bigint, random: Random) =>
  write(head * BigInt(JITTERS) + BigInt(1 + random(JITTERS - 1)), HEAD + JITTER)

/** The first digits of a position, as a number. */
function headOf(position: string): bigint {
  let head = 0n
  for (let nth = 1; nth <= HEAD; nth++) head = head * BASE + digitOf(position, nth)
  return head
}

/** @param nth counted from 1; a position goes on with zeros */
const digitOf = (position: string, nth: number) => VALUES.get(position.charAt(nth - 1)) ?? 0n

function write(value: bigint, length: number): string {
  let text = ''
  for (let rest = value; text.length < length; rest /= BASE) text = DIGITS.charAt(Number(rest % BASE)) + text
  return text.replace(/0+$/, '')
}
