/** Every statement that the service sends, with values. */
import { randomUUID } from 'node:crypto'
import type { Kysely } from 'kysely'
import { sorts } from '../../scripts/support/statements.ts'
import * as changes from '../../src/changes/queries.ts'
import { UNLIMITED } from '../../src/config/storage.ts'
import type { Tables } from '../../src/database/tables.ts'
import { writeHeartbeat } from '../../src/health/queries.ts'
import * as keys from '../../src/idempotency/queries.ts'
import * as lease from '../../src/jobs/lease-queries.ts'
import * as purging from '../../src/jobs/purge-queries.ts'
import * as zones from '../../src/jobs/time-zones-queries.ts'
import * as tags from '../../src/tags/queries.ts'
import * as bulk from '../../src/tasks/bulk-queries.ts'
import { columnsOfNew } from '../../src/tasks/fields.ts'
import type { Filters } from '../../src/tasks/filters.ts'
import { list } from '../../src/tasks/list-queries.ts'
import * as positions from '../../src/tasks/position-queries.ts'
import * as tasks from '../../src/tasks/queries.ts'
import type { SearchPatterns } from '../../src/tasks/search.ts'
import { type Sort, TRASH_ORDER } from '../../src/tasks/sorts.ts'
import * as users from '../../src/users/queries.ts'

export type Use = (db: Kysely<Tables>) => Promise<unknown>
/**
 * How many rows a statement returns or writes, a use of it, and how many rows it has to look at because no index finds
 * those that it needs.
 */
type Case = [rows: number, use: Use, searched?: number]

/** The tag that tasks of an owner have. */
export const TAG = 'errands'
/** How many live tasks and tombstones of an owner have it. */
export const TAGGED = 50

const [now, long] = [new Date().toISOString(), new Date(0).toISOString()]
const condition = { ifMatch: null, ifNoneMatch: [] }

/** A user with some of their live tasks, tombstones and keys. */
export interface Owner {
  user: string
  /** The numbers of their live tasks and of their tombstones. */
  count: { live: number; tombstones: number }
  live: string[]
  deleted: string[]
  keysOfUser: string[]
}

/** The position of some live tasks, which follows from the id. */
export const ownPosition = (id: string) => `${id.replaceAll('-', '')}V`

/** Every statement, by what it is used for. */
export function usesOfStatements({ user, count, live, deleted, keysOfUser }: Owner): {
  reads: Record<string, Case>
  writes: Record<string, Case>
} {
  const [id, tombstone, key] = [live[0], deleted[0], keysOfUser[0]] as [string, string, string]
  const [target, gone] = [
    { userId: user, id, ...condition },
    { userId: user, id: tombstone, ...condition },
  ]
  const page = { userId: user, limit: 51, pageBytes: 1_048_576, scannedTasks: 51, deletedSince: long }
  const lowest = purging.START.id
  const old = { ...purging.START, before: now, limit: page.limit }
  const part = { userId: user, limit: 50, epoch: 1 }
  const request = { userId: user, key, fingerprint: '' }
  const newTask = () => {
    return {
      ...target,
      id: randomUUID(),
      ...columnsOfNew({ title: 'T', completed: false }, 'V'),
      now,
      quota: UNLIMITED,
      epoch: 1,
    }
  }
  // Writes of most tasks do not concern tags. An index of tags would cost each of them more than it saves these few.
  const searched = count.live
  const tagged = { userId: user, tag: TAG, limit: 5_000, now }
  const response = { status: 201, headers: {}, body: '{}' }
  const created = new Date(Date.now() - 40_000_000).toISOString()
  /** Keys from the middle of each order; `due` has two ranges in descending order. */
  const middles: Record<string, string[]> = {
    created_at: [created],
    updated_at: [created],
    deleted_at: [created],
    title: ['task 5'],
    due: ['2026-11-24', '2026-11-24T09:00', '~'],
    priority: ['2'],
    position: ['V1'],
  }
  const rare = {
    priorities: [4],
    tags: ['rare'],
    notTags: ['other'],
    search: ['%rare%', '^(?=(.* )?rare)'] as SearchPatterns,
  }
  const filters: Filters[] = [
    {},
    { completed: true },
    { completed: false },
    { dueAfter: '2026-11-23U', dueBefore: '2026-11-24U', completed: false },
    { undated: true },
    rare,
  ]
  const place = { userId: user, position: `V${`${Date.now() - 40_000_000}`.padStart(13, '0')}`, limit: page.limit }
  const [neighbour, toMove] = [live[1] as string, { userId: user, id, limit: 1 } as const]
  const some = live.slice(0, 20)
  const newPositions = {
    userId: user,
    ids: some,
    from: some.map(ownPosition),
    to: some.map(id => `${ownPosition(id)}V`),
  }
  const lists = [...sorts(), TRASH_ORDER as Sort].flatMap(sort =>
    filters.flatMap(filters =>
      [undefined, ...(middles[sort.split('.')[0] as string] as string[])].flatMap(key => {
        // Nothing is read after a task without a date if the others must have one.
        if (key === '~' && filters.dueAfter !== undefined) return []
        const after = key === undefined ? undefined : { key, id }
        const what = `list ${sort} ${Object.keys(filters)} ${key === undefined ? '' : `after ${key}`}`
        return [[what, [page.limit, db => list(db, { ...page, sort, filters, after })]] as [string, Case]]
      }),
    ),
  )
  return {
    reads: {
      find: [1, db => tasks.find(db, target)],
      'find a tombstone': [1, db => tasks.find(db, gone)],
      findTaken: [1, db => tasks.findTaken(db, { ...gone, deletedSince: long })],
      snapshot: [page.limit, db => changes.list(db, { ...page, position: 0, since: null })],
      changes: [page.limit, db => changes.list(db, { ...page, position: count.live, since: count.live })],
      'surroundings of a task': [3, db => positions.findSurroundings(db, { ...toMove, neighbour, end: null })],
      'surroundings of the start': [3, db => positions.findSurroundings(db, { ...toMove, neighbour: null, end: '' })],
      'surroundings of the end': [3, db => positions.findSurroundings(db, { ...toMove, neighbour: null, end: '~' })],
      listBefore: [page.limit, db => positions.listBefore(db, place)],
      listFrom: [page.limit, db => positions.listFrom(db, place)],
      lock: [20, db => bulk.lock(db, { userId: user, ids: live.slice(0, 20) })],
      'lock tombstones': [20, db => bulk.lock(db, { userId: user, ids: deleted.slice(0, 20) })],
      listTags: [1, db => tags.list(db, { userId: user, after: '', limit: 51 }), searched],
      findTombstones: [page.limit, db => purging.findTombstones(db, old)],
      findKeys: [page.limit, db => purging.findKeys(db, old)],
      findRows: [1, db => zones.findRows(db, { start: 'time_zones' })],
      findUsers: [100, db => zones.findUsers(db, { after: 'user 1', limit: 100 })],
      findInstants: [page.limit, db => zones.findInstants(db, { ...page, after: lowest, from: now })],
      findKey: [1, db => keys.find(db, request)],
      lockCounter: [1, db => users.lockCounter(db, { userId: user })],
      ...Object.fromEntries(lists),
    },
    writes: {
      insert: [1, db => tasks.insert(db, newTask())],
      count: [1, db => tasks.count(db, newTask())],
      insertCounted: [1, db => tasks.insertCounted(db, { ...newTask(), revision: 1 })],
      uncount: [1, db => tasks.uncount(db, target)],
      update: [1, db => tasks.update(db, { ...target, patch: '{"title":"T"}', mergedWith: null, now })],
      reposition: [20, db => positions.reposition(db, newPositions)],
      complete: [1, db => tasks.complete(db, { ...target, completed: null, now })],
      addTag: [1, db => tasks.addTag(db, { ...target, tag: 'new', most: 50, now })],
      removeTag: [1, db => tasks.removeTag(db, { ...target, tag: TAG, now })],
      renameTag: [TAGGED, db => tags.rename(db, { ...tagged, name: 'new' }), searched],
      deleteTag: [TAGGED, db => tags.remove(db, tagged), searched],
      remove: [1, db => tasks.remove(db, { ...target, now })],
      restore: [1, db => tasks.restore(db, { ...gone, deletedSince: long, quota: UNLIMITED })],
      removeAll: [50, db => bulk.removeAll(db, { userId: user, completed: true, limit: 50, now })],
      trim: [50, db => bulk.trim(db, { userId: user, quota: count.tombstones - 50, limit: 5_000 })],
      removeTombstones: [50, db => purging.removeTombstones(db, { userId: user, ids: deleted, before: now })],
      removeKeys: [50, db => purging.removeKeys(db, { userId: user, ids: keysOfUser, before: now })],
      eraseTasks: [50, db => users.eraseTasks(db, part)],
      eraseKeys: [50, db => users.eraseKeys(db, part)],
      removeCounter: [1, db => users.removeCounter(db, { userId: user })],
      takeKey: [1, db => keys.take(db, { ...request, key: 'new' }, now, long)],
      completeKey: [1, db => keys.complete(db, request, response, UNLIMITED)],
      countKeyBytes: [1, db => keys.countBytes(db, { userId: user, more: 1, quota: UNLIMITED, epoch: 1 })],
      claim: [1, db => lease.claim(db, { name: 'purge', now, until: now })],
      keep: [1, db => lease.keep(db, { name: 'purge', held: now, until: now })],
      recordRun: [1, db => zones.recordRun(db, { name: 'time_zones_complete', began: now })],
      writeHeartbeat: [1, db => writeHeartbeat(db, { now })],
      renewEpoch: [100, db => users.renewEpoch(db, { after: 'user 1', limit: 100, epoch: 1, revisions: 1 })],
    },
  }
}
