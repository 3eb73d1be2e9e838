/**
 * Sync tokens: a position among the changes of one user, as base64url.
 *
 * Layout, big endian: position (8 bytes), `since` (8 bytes), epoch (6 bytes), and 6 bytes of a checksum over these and
 * the user. The checksum detects damaged tokens and tokens of other users; it protects no secret, because a token has
 * none. Tokens of epoch 0 (data from before epochs existed) have no epoch.
 */
import { createHash } from 'node:crypto'

export interface SyncPosition {
  /** The client knows everything up to this revision. */
  position: number
  /** The client has no tasks deleted up to this revision: the position, or the clock at the start of its snapshot. */
  since: number
  /** The epoch of the data that the client knows. */
  epoch: number
}

const REVISIONS = 16
const EPOCH = 6
const CHECKSUM = 6

export function encode(userId: string, { position, since, epoch }: SyncPosition): string {
  // Epoch 0 is omitted for replicas of the previous version, which may run at the same time.
  const numbers = Buffer.alloc(epoch === 0 ? REVISIONS : REVISIONS + EPOCH)
  numbers.writeBigUInt64BE(BigInt(position), 0)
  numbers.writeBigUInt64BE(BigInt(since), 8)
  if (epoch !== 0) numbers.writeUIntBE(epoch, REVISIONS, EPOCH)
  return Buffer.concat([numbers, checksum(userId, numbers)]).toString('base64url')
}

/** Undefined if it is not a token of this user. */
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
