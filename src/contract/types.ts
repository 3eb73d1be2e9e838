/** The types of handlers, derived from the generated types: their inputs and their possible responses. */
import type { defaults, operations } from './openapi.gen.ts'
import type { PRECONDITION_HEADERS, Precondition } from './precondition.ts'
import type { Problem } from './problem.ts'

export type OperationId = keyof operations

type Parameters<Op extends OperationId> = operations[Op]['parameters']

/** An object with one member, or without any if its type is `never`. */
type Member<Name extends string, T> = [T] extends [never] ? unknown : Record<Name, T>

type Path<Op extends OperationId> = Parameters<Op> extends { path: infer P } ? P : never

/** A parameter with a default is optional in the request, and always present for the handler. */
type Query<Op extends OperationId> =
  Exclude<Parameters<Op>['query'], undefined> extends infer Q
    ? [Q] extends [never]
      ? never
      : Omit<Q, Defaults<Op, Q>> & Required<Pick<Q, Defaults<Op, Q>>>
    : never
type Defaults<Op extends OperationId, Q> = Extract<defaults[Op]['query'], keyof Q>

type Headers<Op extends OperationId> = keyof Exclude<Parameters<Op>['header'], undefined>
type PreconditionOf<Op extends OperationId> = [Extract<Headers<Op>, (typeof PRECONDITION_HEADERS)[number]>] extends [
  never,
]
  ? never
  : Precondition

type Json<T> = T extends { content: { 'application/json': infer B } } ? B : never

type Body<Op extends OperationId> = operations[Op] extends { requestBody: infer R }
  ? Json<R>
  : operations[Op] extends { requestBody?: infer R }
    ? Json<R> extends infer B
      ? [B] extends [never]
        ? never
        : B | undefined
      : never
    : never

/** A valid request: parameters converted, ids of the path in lower case, defaults filled in, preconditions parsed. */
export type Input<Op extends OperationId> = Member<'path', Path<Op>> &
  Member<'query', Query<Op>> &
  Member<'precondition', PreconditionOf<Op>> &
  Member<'body', Body<Op>>

/** The names that a type declares, without its index signature. */
type Declared<T> = keyof { [K in keyof T as string extends K ? never : K]: T[K] }

/** Headers that the app sets for every handler. */
type AppHeaders = 'X-Request-Id' | 'RateLimit' | 'RateLimit-Policy' | 'Idempotent-Replayed'

type ReplyHeaders<R> = R extends { headers: infer H } ? Omit<Pick<H, Declared<H>>, AppHeaders> : never

type Reply<Status, Response> = Response extends { content: { 'application/problem+json': unknown } }
  ? Problem & { readonly status: Status }
  : { status: Status } & (Response extends { content: { 'application/json': infer B } }
      ? { body: B }
      : { body?: never }) &
      (Record<never, never> extends ReplyHeaders<Response>
        ? { headers?: ReplyHeaders<Response> }
        : { headers: ReplyHeaders<Response> })

/** The contract's `default` describes errors from elsewhere. */
type Statuses<Op extends OperationId> = Exclude<keyof operations[Op]['responses'], 'default'>

/** One of the operation's declared responses. */
export type Output<Op extends OperationId> = {
  [Status in Statuses<Op>]: Reply<Status, operations[Op]['responses'][Status]>
}[Statuses<Op>]

/** @typeParam Context what a handler gets besides the input */
export type Handler<Op extends OperationId, Context> = (input: Input<Op>, context: Context) => Promise<Output<Op>>

/** One handler for each operation of the contract: a missing or mistyped handler does not compile. */
export type Handlers<Context> = { [Op in OperationId]: Handler<Op, Context> }
