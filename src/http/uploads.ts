/** Bounds the large bodies of one user: they take memory while they arrive, however slowly. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { overloaded } from '../contract/problem.ts'

/** Maximum number of unanswered requests with a large body per user. */
const MAX_UPLOADS = 32

/** Creates a hook for one operation that refuses requests beyond the limit. */
export function limitUploads() {
  const uploads = new Map<string, number>()
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { user_id: user } = request.params as { user_id: string }
    const count = uploads.get(user) ?? 0
    if (count >= MAX_UPLOADS) throw overloaded()
    uploads.set(user, count + 1)
    // Node does not report the end of a response that waits behind another one on a lost connection.
    const ends = [reply.raw, request.raw.socket]
    const release = () => {
      for (const end of ends) end.off('close', release)
      const left = (uploads.get(user) as number) - 1
      if (left > 0) uploads.set(user, left)
      else uploads.delete(user)
    }
    for (const end of ends) end.once('close', release)
    done()
  }
}
