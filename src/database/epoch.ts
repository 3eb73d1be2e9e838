/** The epoch of a user's counter: a random number that is part of every sync token. */
import { randomInt } from 'node:crypto'

/** An epoch takes six bytes of a token; 0 marks counters that are older than epochs. */
const EPOCHS = 2 ** 48 - 1

/** A new epoch; the chance that a token already has it is one in 281 million million. */
export const createEpoch = (): number => randomInt(1, EPOCHS)
