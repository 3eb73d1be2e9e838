/**
 * Sync tokens: a position among the changes of one user, as base64url.
 *
 * Layout: 8 bytes, the position; 8 bytes, `since`, both big endian; 6 bytes of a checksum over them and the user. The
 * checksum tells a token that was mangled, or that is another user's; it keeps nothing secret, for there is no secret in it.
 */
import { createHash } from 'node:crypto'

export interface SyncPosition {
  /** Everything up to this revision has been told. */
  position: number
  /** The client has nothing older than this that it could have to delete: the position, or where its snapshot began. */
  since: number
}

const NUMBERS = 16
const CHECKSUM = 6

export function encode(userId: string, { position, since }: SyncPosition): string {
  const numbers = Buffer.alloc(NUMBERS)
  numbers.writeBigUInt64BE(BigInt(position), 0)
  numbers.writeBigUInt64BE(BigInt(since), 8)
  return Buffer.concat([numbers, checksum(userId, numbers)]).toString('base64url')
}

/** Undefined where the token is none of this user. */
export function decode(userId: string, token: string): SyncPosition | undefined {
  const bytes = Buffer.from(token, 'base64url')
  const numbers = bytes.subarray(0, NUMBERS)
  if (!bytes.subarray(NUMBERS).equals(checksum(userId, numbers))) return undefined
  const [position, since] = [Number(numbers.readBigUInt64BE(0)), Number(numbers.readBigUInt64BE(8))]
  return Number.isSafeInteger(position) && Number.isSafeInteger(since) ? { position, since } : undefined
}

const checksum = (userId: string, numbers: Buffer) =>
  createHash('sha256').update(numbers).update(userId).digest().subarray(0, CHECKSUM)
