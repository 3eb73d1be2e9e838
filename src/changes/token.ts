/**
 * Sync tokens: a position among the changes of one user, as base64url.
 *
 * Layout: 8 bytes, the position; 8 bytes, `since`; 6 bytes, the epoch, all big endian; 6 bytes of a checksum over them
 * and the user. The checksum recognises a token that was mangled, or that is another user's; it keeps nothing secret,
 * for there is no secret in it. Tokens of epoch 0, which is that of data from before there were epochs, have none.
 */
import { createHash } from 'node:crypto'

export interface SyncPosition {
  /** The client knows everything up to this revision. */
  position: number
  /** The client has nothing older than this that it could have to delete: the position, or where its snapshot began. */
  since: number
  /** The epoch of the data that the client knows. */
  epoch: number
}

const REVISIONS = 16
const EPOCH = 6
const CHECKSUM = 6

export function encode(userId: string, { position, since, epoch }: SyncPosition): string {
  // Without an epoch as replicas of the version before it expect them, while both may be running.
  const numbers = Buffer.alloc(epoch === 0 ? REVISIONS : REVISIONS + EPOCH)
  numbers.writeBigUInt64BE(BigInt(position), 0)
  numbers.writeBigUInt64BE(BigInt(since), 8)
  if (epoch !== 0) numbers.writeUIntBE(epoch, REVISIONS, EPOCH)
  return Buffer.concat([numbers, checksum(userId, numbers)]).toString('base64url')
}

/** Undefined where the token is none of this user. */
export function decode(userId: string, token: string): SyncPosition | undefined {
  const bytes = Buffer.from(token, 'base64url')
  const numbers = bytes.subarray(0, -CHECKSUM)
  const hasEpoch = numbers.length === REVISIONS + EPOCH
  if (!(hasEpoch || numbers.length === REVISIONS)) return undefined
  if (!bytes.subarray(-CHECKSUM).equals(checksum(userId, numbers))) return undefined
  const [position, since] = [Number(numbers.readBigUInt64BE(0)), Number(numbers.readBigUInt64BE(8))]
  if (!(Number.isSafeInteger(position) && Number.isSafeInteger(since))) return undefined
  return { position, since, epoch: hasEpoch ? numbers.readUIntBE(REVISIONS, EPOCH) : 0 }
}

const checksum = (userId: string, numbers: Buffer) =>
  createHash('sha256').update(numbers).update(userId).digest().subarray(0, CHECKSUM)
