/** Contract -> Fastify: one route for each operation, and 405 for every other method on its path. */
import { METHODS } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import type { Kysely } from 'kysely'
import Negotiator from 'negotiator'
import type { UseDatabase } from '../database/access.ts'
import type { Tables } from '../database/tables.ts'
import type { Guard } from '../guard.ts'
import { fingerprint, once, readKey, type StoredResponse } from '../idempotency/once.ts'
import { PROBLEM_MEDIA_TYPE, Problem } from '../problem.ts'
import type { Retention } from '../purge/purge.ts'
import { hasUnreadBody } from './body.ts'
import type { Contract, Operation } from './load.ts'
import type { Input, OperationId } from './types.ts'
import { createValidate, type RequestParts } from './validate.ts'

/** What the routes need of a handler's answer, whichever operation it belongs to. */
type Answer = Problem | { status: number; body?: unknown; headers?: Record<string, string> }

/** What the operations of the contract are put into. */
export interface Surroundings {
  db: Kysely<Tables>
  useDatabase: UseDatabase
  guard: Guard
  retention: Retention
}

/** Registers the contract's operations. */
export function registerOperations(app: FastifyInstance, contract: Contract, surroundings: Surroundings): void {
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
      onRequest: [...(operation.security.length > 0 ? [surroundings.guard] : []), requireAcceptable(operation)],
      handler: handle(operation, contract, surroundings),
    })
  }
  for (const [url, allowed] of methods) refuseOtherMethods(app, url, allowed)
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
function handle(operation: Operation, contract: Contract, surroundings: Surroundings) {
  const { db, useDatabase, retention } = surroundings
  const { operationId } = operation
  const validate = createValidate(operation, contract.validators(operationId), contract.document)
  const handler = contract.handler(operationId) as unknown as (input: Input<OperationId>) => Promise<Answer>
  const run: UseDatabase = needsDatabase(operation) ? useDatabase : work => work()
  const takesKey = operation.parameters.some(({ name }) => name === 'Idempotency-Key')

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
    // As it is sent: a default that a later version fills in must not make a repetition another request.
    const sent =
      key === undefined ? undefined : { query: { ...parts.query }, body: { ...(parts.requestBody as object) } }
    validate(parts)

    const { path, query, header, requestBody: body } = parts
    const work = (db: Kysely<Tables>): Promise<Answer> => {
      const input = { path, query, header, body, db, tombstoneRetention: retention.tombstones }
      return handler(input as unknown as Input<OperationId>)
    }
    if (key === undefined) return send(reply, render(await run(() => work(db)), request))

    const response = await run(() => {
      const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = header
      const keyed = {
        userId: path.user_id as string,
        key: readKey(key as string),
        // Ids are the same in upper and lower case.
        fingerprint: fingerprint({
          operationId,
          id: (path.id as string | undefined)?.toLowerCase(),
          ifMatch,
          ifNoneMatch,
          ...sent,
        }),
      }
      return once(db, keyed, retention.keys, async transaction => render(await work(transaction), request))
    })
    if (response.status >= 400) request.problem ??= JSON.parse(response.body as string)
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
