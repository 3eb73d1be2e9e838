/** What the contract asks of a handler, derived from the generated types: what it gets and what it may answer. */
import type { Kysely } from 'kysely'
import type { Tables } from '../database/tables.ts'
import type { Quotas } from '../quotas.ts'
import type { defaults, operations } from './openapi.gen.ts'
import type { Problem } from './problem.ts'

export type OperationId = keyof operations

type Parameters<Op extends OperationId> = operations[Op]['parameters']

/** Fields with a default in the contract are optional to send and always there for the handler. */
type WithDefaults<T, Key> = Omit<T, Extract<Key, keyof T>> & Required<Pick<T, Extract<Key, keyof T>>>

type Query<Op extends OperationId> =
  Exclude<Parameters<Op>['query'], undefined> extends infer Q
    ? [Q] extends [never]
      ? Record<never, never>
      : WithDefaults<Q, defaults[Op]['query']>
    : never

/** The names as Node has them: in lower case. */
type Header<Op extends OperationId> =
  Exclude<Parameters<Op>['header'], undefined> extends infer H
    ? { [Name in keyof H as Lowercase<Name & string>]: H[Name] }
    : never

type Path<Op extends OperationId> = Parameters<Op> extends { path: infer P } ? P : Record<never, never>

type Json<T> = T extends { content: { 'application/json': infer B } } ? B : never

type Body<Op extends OperationId> = operations[Op] extends { requestBody: infer R }
  ? WithDefaults<Json<R>, defaults[Op]['body']>
  : operations[Op] extends { requestBody?: infer R }
    ? Json<R> extends infer B
      ? [B] extends [never]
        ? undefined
        : B | undefined
      : never
    : never

/** A valid request: parameters decoded, defaults filled in. */
export interface Input<Op extends OperationId> {
  path: Path<Op>
  query: Query<Op>
  header: Header<Op>
  body: Body<Op>
  db: Kysely<Tables>
  limits: Limits
  /** Runs `work` once the response is certain, outside of any transaction; of several of one name only the last. */
  afterwards(name: string, work: (db: Kysely<Tables>) => Promise<void>): void
}

/** What bounds a handler's work. */
export interface Limits {
  /** For how many milliseconds a deleted task can be restored. */
  tombstoneRetention: number
  /** How many bytes of text a page may hold. */
  pageBytes: number
  quotas: Quotas
}

/** The names that a type declares itself, without its index signature. */
type Declared<T> = keyof { [K in keyof T as string extends K ? never : K]: T[K] }

/** Set by the app, so no handler has to. */
type HeadersOfTheApp = 'X-Request-Id' | 'RateLimit' | 'RateLimit-Policy' | 'Idempotent-Replayed'

type ReplyHeaders<R> = R extends { headers: infer H } ? Omit<Pick<H, Declared<H>>, HeadersOfTheApp> : never

type Reply<Status, Response> = Response extends { content: { 'application/problem+json': unknown } }
  ? Problem & { readonly status: Status }
  : { status: Status } & (Response extends { content: { 'application/json': infer B } }
      ? { body: B }
      : { body?: never }) &
      (Record<never, never> extends ReplyHeaders<Response>
        ? { headers?: ReplyHeaders<Response> }
        : { headers: ReplyHeaders<Response> })

/** One of the operation's declared responses. */
export type Output<Op extends OperationId> = {
  [Status in keyof operations[Op]['responses']]: Reply<Status, operations[Op]['responses'][Status]>
}[keyof operations[Op]['responses']]

export type Handler<Op extends OperationId> = (input: Input<Op>) => Promise<Output<Op>>

/** One handler for each operation of the contract: a missing or mistyped one does not compile. */
export type Handlers = { [Op in OperationId]: Handler<Op> }
