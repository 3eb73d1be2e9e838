/**
 * Computes the instants of dates again once the zone data have changed, which happens a few times a year.
 *
 * Replicas with different versions of the zone data may run side by side. A version whose replicas run has a row of
 * `job`, its lease. The newest version wins: a replica does nothing, and stops what it does, once a newer one has a row,
 * even if that one was rolled back. Older replicas still write instants of their own until they are stopped. So the
 * tasks are looked through twice: at once, and again after the last lease of an older version has expired.
 */
import type { Kysely } from 'kysely'
import { breaksConnection, describeError } from '../database/errors.ts'
import type { Tables } from '../database/tables.ts'
import { type Moment, mergeMoment, Violation, zoneData } from '../tasks/dates.ts'
import { update } from '../tasks/queries.ts'
import type { Job } from './runner.ts'
import * as queries from './time-zones-queries.ts'

/** How often a replica looks whether there is something to do, in milliseconds. */
const INTERVAL = 3_600_000
/** How long after its lease has ended a version may still have replicas: each asks for the lease at the interval. */
const SILENCE = 2 * INTERVAL
const DAY = 86_400_000

/** Numbers of users and of their tasks that are read at a time: few enough not to delay requests. */
const USERS = 1_000
const TASKS = 1_000

/** The names in `job` of a version's lease, and of the beginning of its last complete run. */
const PREFIX = 'time_zones'
const LEASES = `${PREFIX} `
const COMPLETE = `${PREFIX}_complete `

const FIRST_ID = '00000000-0000-0000-0000-000000000000'

interface Recomputed {
  tasks: number
  /** Number of users of whom not all tasks were recomputed. */
  failed: number
}

type Context = Parameters<Job['run']>[0]

/** @param version of the zone data, such as `2026c`; a later one is greater as text */
export const timeZonesJob = (version = zoneData): Job => ({
  name: LEASES + version,
  interval: INTERVAL,
  async run(context) {
    const { db, signal } = context
    const began = Date.now()
    if (!(await isDue(db, version, began))) return undefined
    const recomputed: Recomputed = { tasks: 0, failed: 0 }
    const isComplete = await recomputeAll(context, version, recomputed)
    if (isComplete && recomputed.failed === 0 && !signal.aborted) {
      await queries.recordRun(db, { name: COMPLETE + version, began: textOf(began) })
    }
    return recomputed.tasks + recomputed.failed > 0 ? { zone_data: version, ...recomputed } : undefined
  },
})

/** Whether there was no run yet, or older replicas may have written since the last one and have stopped now. */
async function isDue(db: Kysely<Tables>, version: string, now: number): Promise<boolean> {
  const rows = await queries.findRows(db, { start: PREFIX })
  if (isSuperseded(rows, version)) return false
  const complete = rows.find(({ name }) => name === COMPLETE + version)
  if (complete === undefined) return true
  const older = rows.filter(({ name }) => name.startsWith(LEASES) && name < LEASES + version)
  const silent = Math.max(...older.map(({ not_before }) => Date.parse(not_before) + SILENCE))
  return Date.parse(complete.not_before) < silent && silent <= now
}

const isSuperseded = (rows: { name: string }[], version: string) =>
  rows.some(({ name }) => name.startsWith(LEASES) && name > LEASES + version)

/** Adds to `recomputed`; returns false if a newer version has taken over. It may stop anywhere: a rerun does the rest. */
async function recomputeAll(context: Context, version: string, recomputed: Recomputed): Promise<boolean> {
  const { db, log, signal } = context
  let after: string | undefined = ''
  while (after !== undefined && !signal.aborted) {
    if (isSuperseded(await queries.findRows(db, { start: LEASES }), version)) return false
    const users: { user_id: string }[] = await queries.findUsers(db, { after, limit: USERS })
    for (const { user_id } of users) {
      try {
        await recomputeUser(context, user_id, recomputed)
      } catch (error) {
        if (breaksConnection(error)) throw error
        recomputed.failed += 1
        log.warn({ error: describeError(error) }, "a user's instants were not recomputed")
      }
    }
    after = users.at(-1)?.user_id
  }
  return true
}

async function recomputeUser({ db, signal }: Context, userId: string, recomputed: Recomputed): Promise<void> {
  const now = Date.now()
  // No offset changes by more than a day, so every instant that is still to come is after this.
  const from = textOf(now - DAY)
  let after: string | undefined = FIRST_ID
  while (after !== undefined) {
    const tasks: queries.Dated[] = await queries.findInstants(db, { userId, after, limit: TASKS, from })
    for (const { id, due, start, matches } of tasks) {
      if (signal.aborted) return
      const changes = { ...changeOf('due', due, from), ...changeOf('start', start, from) }
      if (!matches || Object.keys(changes).length === 0) continue
      // Not written if somebody has changed the dates in the meantime, which has recomputed them.
      const written = await update(db, {
        ...{ userId, id, ifMatch: null, ifNoneMatch: [], now: textOf(now) },
        patch: JSON.stringify(changes),
        mergedWith: JSON.stringify({ due, start }),
      })
      if (written?.matched) recomputed.tasks += 1
    }
    const end: queries.Dated | undefined = tasks.at(-1)
    after = end?.is_end ? end.id : undefined
  }
}

/** The field with its new value, if that differs. A zone that these data do not know keeps its instants. */
function changeOf(field: 'due' | 'start', moment: Moment | null, from: string) {
  if (moment?.at == null || moment.at <= from) return {}
  const next = mergeMoment(moment, {})
  return next instanceof Violation || next?.at === moment.at ? {} : { [field]: next }
}

const textOf = (time: number) => new Date(time).toISOString()
