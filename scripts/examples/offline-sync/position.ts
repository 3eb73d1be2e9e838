/** Positions, which order tasks: strings compared by code unit, with room for another one between any two. */
import { randomInt } from 'node:crypto'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const BASE = BigInt(DIGITS.length)
/** Positions to choose from, so that two devices that move tasks to one place hardly ever choose the same one. */
const CHOICES = 2 ** 32
/** Long enough that the choices are a small part of all positions of this length. */
const MIN_LENGTH = 10

/**
 * Returns a position between two others; null is the start or the end.
 * @param before less than `after`
 */
export function positionBetween(before: string | null, after: string | null): string {
  // A position is a fraction in base 62. Add digits to it until enough of them fit in between.
  let length = Math.max(MIN_LENGTH, before?.length ?? 0, after?.length ?? 0)
  while (roomBetween(before, after, length).spare < 0n) length += 1
  const { low, spare } = roomBetween(before, after, length)
  let skipped = spare / 2n
  // Close to a single neighbour: moves to the ends leave most of the room there, and positions do not become longer.
  if (before === null && after !== null) skipped = spare
  if (after === null && before !== null) skipped = 0n
  return toText(low + 1n + skipped + BigInt(randomInt(CHOICES)), length)
}

/** Of the positions of this length in between: the one before the first, and how many there are beyond `CHOICES`. */
function roomBetween(before: string | null, after: string | null, length: number) {
  const low = before === null ? 0n : toNumber(before, length)
  const high = after === null ? BASE ** BigInt(length) : toNumber(after, length)
  return { low, spare: high - low - 1n - BigInt(CHOICES) }
}

const toNumber = (position: string, length: number): bigint =>
  [...position.padEnd(length, '0')].reduce((number, digit) => number * BASE + BigInt(DIGITS.indexOf(digit)), 0n)

function toText(number: bigint, length: number): string {
  let text = ''
  for (let rest = number; text.length < length; rest /= BASE) text = DIGITS.charAt(Number(rest % BASE)) + text
  // Nothing would fit between "a" and "a0".
  return text.replace(/0+$/, '')
}
