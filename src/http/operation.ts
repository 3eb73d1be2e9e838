/** What happens to an admitted request of an operation: validate, call the handler, reply. */
import type { ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { Kysely } from 'kysely'
import type { Guard } from '../auth/guard.ts'
import type { Context, Limits, Quotas } from '../context.ts'
import type { Contract, Operation } from '../contract/load.ts'
import { PRECONDITION_HEADERS, readPrecondition } from '../contract/precondition.ts'
import { Problem } from '../contract/problem.ts'
import { createValidate, type RequestParts } from '../contract/validate.ts'
import { describeError } from '../database/errors.ts'
import type { Tables } from '../database/tables.ts'
import { executeOnce, fingerprint, type KeyLimits, readKey, type StoredResponse } from '../idempotency/execute.ts'
import type { Retention } from '../jobs/purge.ts'
import { hasUnreadBody } from './body.ts'
import type { UseDatabase } from './database-access.ts'
import { type HandlerResponse, render, send } from './reply.ts'
import { queueOf, type UserQueues } from './user-queues.ts'

/** What operations need besides the request. */
export interface Dependencies {
  db: Kysely<Tables>
  useDatabase: UseDatabase
  guard: Guard
  retention: Retention
  quotas: Quotas
  log: FastifyBaseLogger
}

/** How many tasks a request with filters reads at most, as listTasks says: some milliseconds. */
const MAX_SCANNED = 5_000

const now = () => new Date()

/** Every operation that uses the database declares 503, for the database may be unavailable. */
export const needsDatabase = ({ responses }: Operation): boolean => responses['503'] !== undefined

export function createRouteHandler(
  operation: Operation,
  contract: Contract<Context>,
  dependencies: Dependencies,
  queues: UserQueues,
) {
  const { db, guard, retention, quotas, log } = dependencies
  const { operationId, parameters, 'x-rate-limit-items': counted, 'x-transaction': isTransaction = false } = operation
  const validate = createValidate(operation, contract.validators(operationId), contract.document)
  const handler = contract.handler(operationId) as (input: unknown, context: Context) => Promise<HandlerResponse>
  const run = createRun(operation, dependencies.useDatabase, queues)
  const has = (name: string) => parameters.some(parameter => parameter.name === name)
  const takesKey = has('Idempotency-Key')
  const takesPrecondition = PRECONDITION_HEADERS.some(has)
  const ids = parameters.filter(({ in: place, schema }) => place === 'path' && schema.format === 'uuid')
  const { 'x-limits': maximum } = contract.document
  const { page_bytes: pageBytes, kept_response_bytes: responseBytes } = maximum
  const limits: Limits = { tombstoneRetention: retention.tombstones, pageBytes, scannedTasks: MAX_SCANNED, quotas }
  const keyLimits: KeyLimits = { lifetime: retention.keys, responseBytes, userBytes: quotas.keyBytes }

  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const key = takesKey ? (request.headers['idempotency-key'] as string | undefined) : undefined
    const parts = partsOf(request, operation)
    const sent = validate(parts, key !== undefined)
    const { path, query, header, requestBody: body } = parts
    // A UUID is the same in upper and lower case.
    for (const { name } of ids) path[name] = (path[name] as string).toLowerCase()
    const user = path.user_id as string | undefined
    if (counted !== undefined) {
      guard.charge(user as string, (body as Record<string, unknown[]>)[counted]?.length as number, reply)
    }

    const input = { path, query, body, precondition: takesPrecondition ? readPrecondition(header) : undefined }
    const followUps = new Map<string, (db: Kysely<Tables>) => Promise<void>>()
    const afterwards: Context['afterwards'] = (name, work) => followUps.set(name, work)
    const call = (db: Kysely<Tables>) => handler(input, { db, now, limits, afterwards })

    async function respond(): Promise<StoredResponse> {
      if (sent === undefined) {
        return render(await run(user, isTransaction, () => call(db), reply.raw), request)
      }
      const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = header
      // The query and the body as they were sent: a default of a later version must not make a retry a different
      // request.
      const { id, tag } = path
      const identity = { operationId, id, tag, ifMatch, ifNoneMatch, query: sent.query, body: sent.body ?? {} }
      const keyed = { userId: user as string, key: readKey(key as string), fingerprint: fingerprint(identity) }
      const callAndRender = async (transaction: Kysely<Tables>) => {
        const response = await call(transaction)
        // Not stored for the key: the same request may succeed when there is room again.
        if (response instanceof Problem && response.code === 'quota_exceeded') throw response
        return render(response, request)
      }
      const response = await run(user, true, () => executeOnce(db, keyed, keyLimits, now, callAndRender), reply.raw)
      if (response.status >= 400) request.problem ??= JSON.parse(response.body as string)
      return response
    }

    const response = await respond()
    for (const [name, work] of followUps) {
      // The request has succeeded. The next request of this kind tries again.
      await run(user, false, () => work(db), reply.raw).catch(error =>
        log.warn({ error: describeError(error), name }, 'follow-up work failed; a later request will repeat it'),
      )
    }
    return send(reply, response)
  }
}

function partsOf(request: FastifyRequest, { method }: Operation): RequestParts {
  const parts: RequestParts = {
    path: request.params as Record<string, unknown>,
    query: request.query as Record<string, unknown>,
    header: request.headers,
  }
  if (request.body !== undefined) parts.requestBody = request.body
  // Fastify does not read the body of a GET or HEAD. `null` stands for it, and is refused by the validation.
  else if (method === 'get' && hasUnreadBody(request)) parts.requestBody = null
  return parts
}

/** Runs work for `user` when it is that user's turn; operations without a user have no queue. */
function createRun(operation: Operation, useDatabase: UseDatabase, queues: UserQueues) {
  const enqueue = queues[queueOf(operation)]
  return <T>(
    user: string | undefined,
    isTransaction: boolean,
    work: () => Promise<T>,
    response: ServerResponse,
  ): Promise<T> => {
    if (!needsDatabase(operation)) return work()
    if (user === undefined) return useDatabase(work, response)
    const inTurn = () => enqueue(user, work)
    return useDatabase(isTransaction ? () => queues.transactions(user, inTurn) : inTurn, response)
  }
}
