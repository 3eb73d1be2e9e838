/** Contract -> Fastify: one route for each operation, and 405 for every other method on its path. */
import { METHODS, type ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import type { Kysely } from 'kysely'
import Negotiator from 'negotiator'
import type { Guard } from '../auth/guard.ts'
import type { Contract, Operation } from '../contract/load.ts'
import { overloaded, PROBLEM_MEDIA_TYPE, Problem } from '../contract/problem.ts'
import type { Input, Limits, OperationId } from '../contract/types.ts'
import { createValidate, type RequestParts } from '../contract/validate.ts'
import { describeError } from '../database/errors.ts'
import type { Tables } from '../database/tables.ts'
import { fingerprint, type KeyLimits, once, readKey, type StoredResponse } from '../idempotency/once.ts'
import type { Retention } from '../jobs/purge.ts'
import type { Quotas } from '../quotas.ts'
import { hasUnreadBody } from './body.ts'
import type { UseDatabase } from './database-access.ts'
import { createTurns } from './turns.ts'

/** What the routes need of a handler's answer, whichever operation it belongs to. */
type Answer = Problem | { status: number; body?: unknown; headers?: Record<string, string> }

/** What the operations of the contract are put into. */
export interface Surroundings {
  db: Kysely<Tables>
  useDatabase: UseDatabase
  guard: Guard
  retention: Retention
  quotas: Quotas
  log: FastifyBaseLogger
}

/** How much more of one user's work with the database may wait, and for how many milliseconds. */
const LINE = { length: 100, patience: 2_000 }

/**
 * How much of it is in progress at a time. Pages may be large, and hold up what is behind them on a shared connection. A user's writes
 * wait for each other anyway, for the lock of the user's counter: more of them would only take connections from other users.
 */
const createAllTurns = () => ({
  reads: createTurns({ ...LINE, width: 16 }),
  pages: createTurns({ ...LINE, width: 1 }),
  writes: createTurns({ ...LINE, width: 2 }),
  transactions: createTurns({ ...LINE, width: 1 }),
})

/** Registers the contract's operations. */
export function registerOperations(app: FastifyInstance, contract: Contract, surroundings: Surroundings): void {
  const turns = createAllTurns()
  const methods = new Map<string, HTTPMethods[]>()
  for (const operation of contract.operations) {
    const url = operation.path.replaceAll(/\{(\w+)\}/g, ':$1')
    const method = operation.method.toUpperCase()
    methods.set(url, [...(methods.get(url) ?? []), method])
    app.route({
      method,
      url,
      config: { operation },
      bodyLimit: operation['x-body-bytes'] ?? contract.document['x-limits'].body_bytes,
      onRequest: [
        forbidStoring,
        ...(operation.security.length > 0 ? [surroundings.guard.admit] : []),
        ...(operation['x-body-bytes'] === undefined ? [] : [boundUploads()]),
        requireAcceptable(operation),
      ],
      handler: handle(operation, contract, surroundings, turns),
    })
  }
  for (const [url, allowed] of methods) refuseOtherMethods(app, url, allowed)
}

/** How many large bodies of one user may be on their way, or their requests unanswered, at the same time. */
const MAX_UPLOADS = 32

/** Refuses one large body more than a user may send at a time: bodies take memory while they arrive, however slowly. */
function boundUploads() {
  const uploads = new Map<string, number>()
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { user_id: user } = request.params as { user_id: string }
    const count = uploads.get(user) ?? 0
    if (count >= MAX_UPLOADS) throw overloaded()
    uploads.set(user, count + 1)
    // Node does not report the end of a response that waits behind another on a connection that is lost.
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

/** What is of one user, errors included, is kept in no cache: neither in a browser's nor in one between. */
const forbidStoring = (_request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
  reply.header('cache-control', 'no-store')
  done()
}

/** Answers every method but `allowed` (and HEAD, where GET is allowed) with 405, before a body is read. */
export function refuseOtherMethods(app: FastifyInstance, url: string, allowed: HTTPMethods[]): void {
  const all = allowed.includes('GET') ? [...allowed, 'HEAD'] : allowed
  const allow = all.toSorted().join(', ')
  const refuse = () => {
    throw new Problem('method_not_allowed', `Use ${allow} here.`, { headers: { allow } })
  }
  const others = app.supportedMethods.filter(method => !all.includes(method))
  app.route({ method: others, url, exposeHeadRoute: false, onRequest: async () => refuse(), handler: refuse })
}

/** Teaches the router every method that Node parses, so that none of them slips past as 404. CONNECT never gets here. */
export function supportAllMethods(app: FastifyInstance): void {
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !app.supportedMethods.includes(method)) app.addHttpMethod(method)
  }
}

/** Whatever uses the database has to say that it may be away. */
export const needsDatabase = ({ responses }: Operation): boolean => responses['503'] !== undefined

/** validate, call, reply */
function handle(
  operation: Operation,
  contract: Contract,
  surroundings: Surroundings,
  turns: ReturnType<typeof createAllTurns>,
) {
  const { db, useDatabase, guard, retention, quotas, log } = surroundings
  const { operationId, 'x-rate-limit-items': counted, 'x-transaction': isTransaction = false } = operation
  const validate = createValidate(operation, contract.validators(operationId), contract.document)
  const handler = contract.handler(operationId) as unknown as (input: Input<OperationId>) => Promise<Answer>
  const isPage = operation.parameters.some(({ name }) => name === 'limit')
  const kind = operation.method !== 'get' ? 'writes' : isPage ? 'pages' : 'reads'
  const takesKey = operation.parameters.some(({ name }) => name === 'Idempotency-Key')
  const { page_bytes: pageBytes, kept_response_bytes: responseBytes } = contract.document['x-limits']
  const limits: Limits = { tombstoneRetention: retention.tombstones, pageBytes, quotas }
  const keyLimits: KeyLimits = { lifetime: retention.keys, responseBytes, userBytes: quotas.keyBytes }

  /** Runs work for `user` when it is that user's turn; undefined where the operation is nobody's. */
  function run<T>(
    user: string | undefined,
    isTransaction: boolean,
    work: () => Promise<T>,
    response: ServerResponse,
  ): Promise<T> {
    if (!needsDatabase(operation)) return work()
    if (user === undefined) return useDatabase(work, response)
    const inTurn = () => turns[kind](user, work)
    return useDatabase(isTransaction ? () => turns.transactions(user, inTurn) : inTurn, response)
  }

  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const parts: RequestParts = {
      path: request.params as Record<string, unknown>,
      query: request.query as Record<string, unknown>,
      header: request.headers,
    }
    if (request.body !== undefined) parts.requestBody = request.body
    // Something, for the validation to refuse it: Fastify does not read the body of a GET.
    else if (operation.method === 'get' && hasUnreadBody(request)) parts.requestBody = null
    const key = takesKey ? request.headers['idempotency-key'] : undefined
    const sent = validate(parts)

    const { path, query, header, requestBody: body } = parts
    const user = path.user_id as string | undefined
    if (counted !== undefined) {
      guard.charge(user as string, (body as Record<string, unknown[]>)[counted]?.length as number, reply)
    }
    const followUps = new Map<string, (db: Kysely<Tables>) => Promise<void>>()
    const work = (db: Kysely<Tables>): Promise<Answer> => {
      const afterwards: Input<OperationId>['afterwards'] = (name, work) => followUps.set(name, work)
      return handler({ path, query, header, body, db, limits, afterwards } as unknown as Input<OperationId>)
    }
    const perform = async (): Promise<StoredResponse> => {
      if (key === undefined) return render(await run(user, isTransaction, () => work(db), reply.raw), request)
      const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = header
      const keyed = {
        userId: user as string,
        key: readKey(key as string),
        // Ids are the same in upper and lower case.
        fingerprint: fingerprint({
          operationId,
          id: (path.id as string | undefined)?.toLowerCase(),
          ifMatch,
          ifNoneMatch,
          // As it is sent: a default that a later version fills in must not make a retry another request.
          query: sent.query,
          body: sent.body ?? {},
        }),
      }
      const answer = async (transaction: Kysely<Tables>) => {
        const outcome = await work(transaction)
        // Not kept for the key: the same request may succeed when there is room again.
        if (outcome instanceof Problem && outcome.code === 'quota_exceeded') throw outcome
        return render(outcome, request)
      }
      const response = await run(user, true, () => once(db, keyed, keyLimits, answer), reply.raw)
      if (response.status >= 400) request.problem ??= JSON.parse(response.body as string)
      return response
    }

    const response = await perform()
    for (const [name, work] of followUps) {
      // What was asked for is done. The next request of this kind does this, too.
      await run(user, false, () => work(db), reply.raw).catch(error =>
        log.warn({ error: describeError(error), name }, 'work after a response failed; a later request does it'),
      )
    }
    return send(reply, response)
  }
}

/** An answer as it goes out. */
function render(answer: Answer, request: FastifyRequest): StoredResponse {
  if (answer instanceof Problem) {
    request.problem = answer
    const headers = { ...answer.headers, 'content-type': PROBLEM_MEDIA_TYPE }
    return { status: answer.status, headers, body: JSON.stringify(answer.body(request.id)) }
  }
  const { status, headers = {}, body } = answer
  if (body === undefined) return { status, headers, body: null }
  return { status, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

function send(reply: FastifyReply, { status, headers, body }: StoredResponse): FastifyReply {
  reply.code(status).headers(headers)
  return body === null ? reply.send() : reply.send(body)
}

/** 406 where the caller takes nothing that the operation returns on success. */
function requireAcceptable(operation: Operation) {
  const successes = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'))
  const produced = [...new Set(successes.flatMap(([, response]) => Object.keys(response.content ?? {})))]
  return (request: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
    const { accept } = request.headers
    const isAnything = !accept || accept === '*/*' || produced.length === 0
    if (!isAnything && new Negotiator(request.raw).mediaType(produced) === undefined) {
      throw new Problem('not_acceptable', `This operation returns ${produced.join(', ')}.`)
    }
    done()
  }
}
