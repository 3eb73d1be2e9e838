/** The epoch of a user's counter: a random number that is part of every sync token. */
import { randomInt } from 'node:crypto'

/** Epochs fit into six bytes of a token; 0 is that of counters from before there were epochs. */
const EPOCHS = 2 ** 48 - 1

/** An epoch that no token has yet, but for a chance of one in 281 million million. */
export const createEpoch = (): number => randomInt(1, EPOCHS)
