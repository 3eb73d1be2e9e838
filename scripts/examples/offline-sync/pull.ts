/** Fetches what has changed on the server. */
import type { Api } from './api.ts'
import type { Storage } from './storage.ts'
import { describe, withRetries } from './transport.ts'

/** Returns a function that fetches all changes, page by page; each page is saved before the next is requested. */
export function createPull(api: Api, { state, save }: Storage) {
  return async function pull(): Promise<void> {
    for (let more = true; more; await save()) {
      const query = { limit: 500, ...(state.syncToken !== undefined && { sync_token: state.syncToken }) }
      const { data, error, response } = await withRetries(() => api.listChanges(query))
      if (error?.code === 'sync_token_expired') {
        // Deletions since then may be forgotten: start over with a new snapshot.
        delete state.syncToken
        continue
      }
      if (data === undefined) throw new Error(describe(response, error))
      if (state.syncToken === undefined) state.snapshot = {}
      const tasks = state.snapshot ?? state.server
      for (const { id, task } of data.data) {
        if (task === null) delete tasks[id]
        else tasks[id] = task
      }
      state.syncToken = data.next_sync_token
      more = data.has_more
      if (more) continue
      state.server = tasks
      delete state.snapshot
    }
  }
}
