/** moveTask: a position between those of two neighbours, which are read and not locked. */
import type { Kysely } from 'kysely'
import type { Handler } from '../context.ts'
import type { components } from '../contract/openapi.gen.ts'
import { Problem } from '../contract/problem.ts'
import type { Tables } from '../database/tables.ts'
import { keyOf, notFound, reply } from './handlers.ts'
import {
  MAX_COMFORTABLE,
  MAX_REWRITTEN,
  positionAtEnd,
  positionAtStart,
  positionBetween,
  rewritten,
} from './position.ts'
import { findSurroundings, listBefore, listFrom, reposition, type Surroundings } from './position-queries.ts'
import { update } from './queries.ts'

type Move = components['schemas']['TaskMove']

export const moveTask: Handler<'moveTask'> = async ({ path, precondition, body }, { db, now, afterwards }) => {
  const key = keyOf(path)
  const neighbour = body.before ?? body.after ?? null
  const end = neighbour === null ? (body.to === 'start' ? '' : '~') : null
  const found = await findSurroundings(db, { ...key, neighbour, end, limit: 1 })
  if (found.position === null) return notFound(path.id)
  if (found.neighbour === null) return neighbourNotFound(`${neighbour}`)
  const time = now()
  const position = newPosition(body, found, found.position, time.getTime())
  // Without a position nothing changes, but the precondition still applies.
  const change = { patch: JSON.stringify({ position }), mergedWith: null, now: time.toISOString() }
  const written = await update(db, { ...key, ...precondition, ...change })
  if (written !== undefined && written.position === position && position.length > MAX_COMFORTABLE) {
    afterwards('shorten', db => shorten(db, path.user_id, position))
  }
  return reply(path.id, written)
}

/** Undefined if the task is there already. */
function newPosition(move: Move, found: Surroundings, current: string, now: number): string | undefined {
  const { neighbour, before, after } = found
  const gap = {
    before: [before, neighbour],
    after: [neighbour, after],
    start: [null, after],
    end: [before, null],
  } as const
  const [lower, upper] = gap[move.to ?? (move.before === undefined ? 'after' : 'before')]
  if ((lower === null || lower < current) && (upper === null || current < upper)) return undefined
  if (move.to === 'start') return positionAtStart(after, now)
  return move.to === 'end' ? positionAtEnd(before, now) : positionBetween(lower, upper)
}

/** Rewrites a position that has become long, and the long ones around it, through ordinary changes of these tasks. */
export async function shorten(db: Kysely<Tables>, userId: string, position: string): Promise<void> {
  const before = await listBefore(db, { userId, position, limit: MAX_REWRITTEN })
  const after = await listFrom(db, { userId, position, limit: MAX_REWRITTEN + 1 })
  // Somebody has moved the task away in the meantime.
  if (after[0]?.position !== position) return
  const tasks = [...before.toReversed(), ...after]
  const isStart = before.length < MAX_REWRITTEN
  const isEnd = after.length <= MAX_REWRITTEN
  const positions = tasks.map(task => task.position)
  const window = [...(isStart ? [null] : []), ...positions, ...(isEnd ? [null] : [])]
  const offset = isStart ? 1 : 0
  const { from, positions: to } = rewritten(window, before.length + offset)
  const run = tasks.slice(from - offset, from - offset + to.length)
  await reposition(db, { userId, ids: run.map(({ id }) => id), from: run.map(task => task.position), to })
}

const neighbourNotFound = (id: string) =>
  new Problem('neighbour_not_found', `There is no other task ${id} to move this one next to.`)
