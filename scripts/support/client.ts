/** A user of the service, with a typed method for every operation of the contract. */
import { AssertionError } from 'node:assert'
import type { Operation } from '../../src/contract/load.ts'
import type { operations as Contract, defaults } from '../../src/contract/openapi.gen.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { type Call, createCall } from './call.ts'
import { type Answer, operations } from './contract.ts'
import { pathTo, type Query, randomUser } from './requests.ts'

type Header = Record<string, string>

/** Any value as any type, for requests that violate the contract. */
export const invalid = (value: unknown) => value as never

type Content<T> = T extends { content: infer C } ? C[keyof C] : undefined

type Parameters<Op extends OperationId, In extends 'query' | 'header'> = [
  Exclude<Contract[Op]['parameters'][In], undefined>,
] extends [infer P]
  ? [P] extends [never]
    ? Record<never, never>
    : P
  : never

type Options<Op extends OperationId> = {
  /** A string for every name; the contract's names are suggested. */
  header?: Parameters<Op, 'header'> & Header
} & (Record<never, never> extends Parameters<Op, 'query'>
  ? { query?: Parameters<Op, 'query'> }
  : { query: Parameters<Op, 'query'> })

type PathArgument<Op extends OperationId, Name extends string> = Contract[Op]['parameters'] extends {
  path: Record<Name, string>
}
  ? [string]
  : []

/** A field with a default may be left out. */
type WithoutDefaults<T, Name> = Omit<T, Extract<Name, keyof T>> & Partial<Pick<T, Extract<Name, keyof T>>>

/** The tasks that a batch creates are as for createTask. */
type Items<T> = T extends (infer Item)[]
  ? Items<Item>[]
  : T extends { action: 'create' }
    ? Omit<T, 'task'> & { task: RequestBody<'createTask'> }
    : T

type RequestBody<Op extends OperationId> = Contract[Op] extends { requestBody: infer Body }
  ? WithoutDefaults<{ [Name in keyof Content<Body>]: Items<Content<Body>[Name]> }, defaults[Op]['body']>
  : never

type BodyArgument<Op extends OperationId> = Contract[Op] extends { requestBody: unknown }
  ? [body: RequestBody<Op>]
  : [Exclude<Contract[Op]['requestBody'], undefined>] extends [never]
    ? []
    : [body?: Content<Exclude<Contract[Op]['requestBody'], undefined>> | undefined]

type OptionsArgument<Op extends OperationId> =
  Record<never, never> extends Options<Op> ? [options?: Options<Op>] : [options: Options<Op>]

export type Arguments<Op extends OperationId> = [
  ...PathArgument<Op, 'id'>,
  ...PathArgument<Op, 'tag'>,
  ...BodyArgument<Op>,
  ...OptionsArgument<Op>,
]

type Responses<Op extends OperationId> = Omit<Contract[Op]['responses'], 'default'>

/** One of the responses that the contract declares; `status` tells which. */
export type ResponseTo<Op extends OperationId> = {
  [Status in keyof Responses<Op>]: {
    status: Status
    headers: Headers
    text: string
    body: Content<Responses<Op>[Status]>
  }
}[keyof Responses<Op>]

type SuccessStatus<Status> = Status extends number ? (`${Status}` extends `2${string}` ? Status : never) : never

type Success<Op extends OperationId> = Content<Responses<Op>[SuccessStatus<keyof Responses<Op>> & keyof Responses<Op>]>

/** Each method returns the body of the successful response, and throws on any other one. */
type Methods = { [Op in OperationId]: (...args: Arguments<Op>) => Promise<Success<Op>> }

/** Each method returns the response, whatever its status. */
type Send = { [Op in OperationId]: (...args: Arguments<Op>) => Promise<ResponseTo<Op>> }

export interface User extends Methods {
  id: string
  send: Send
  /** The path of an operation for this user, for raw requests. */
  path(operationId: OperationId, id?: string, query?: Query): string
}

export interface UserOptions {
  id?: string
  /** Sent with every request; or makes it for the user's id, as `bearer` does. */
  header?: Header | ((id: string) => Promise<Header>)
}

/** A user whom no other test knows, unless `id` says who. */
export async function createUser(origin: string, { id = randomUser(), header = {} }: UserOptions = {}): Promise<User> {
  const call = createCall(origin)
  const own = typeof header === 'function' ? await header(id) : header
  const send: Record<string, Sender> = {}
  const methods: Record<string, (...args: unknown[]) => Promise<unknown>> = {}
  for (const operation of operations) {
    const { operationId } = operation
    const toRequest = (args: unknown[]) => requestTo(operation, id, own, args)
    send[operationId] = (...args) => call(...toRequest(args))
    methods[operationId] = async (...args) => {
      const request = toRequest(args)
      const answer = await call(...request)
      if (answer.status >= 200 && answer.status < 300) return answer.body
      const [method, path] = request
      throw new AssertionError({ message: `${method} ${path}: ${answer.status} ${answer.text}` })
    }
  }
  const path: User['path'] = (operationId, task = '', query = {}) => {
    const operation = operations.find(operation => operation.operationId === operationId) as Operation
    return pathTo(operation, { user_id: id, id: task }, query)
  }
  return { ...methods, send, id, path } as unknown as User
}

type Sender = (...args: unknown[]) => Promise<Answer>

/** The arguments in their order: an id and a tag where the path has them, a body where the operation takes one, options. */
function requestTo(operation: Operation, user: string, own: Header, args: unknown[]): globalThis.Parameters<Call> {
  const left = [...args]
  const inPath: Record<string, string> = { user_id: user }
  for (const name of ['id', 'tag']) if (operation.path.includes(`{${name}}`)) inPath[name] = left.shift() as string
  const body = operation.requestBody === undefined ? undefined : left.shift()
  const { query = {}, header = {} } = (left.shift() ?? {}) as { query?: Query; header?: Header }
  // A string is sent unchanged, as JSON unless the headers say otherwise.
  const json: Header = typeof body === 'string' ? { 'content-type': 'application/json' } : {}
  const path = pathTo(operation, inPath, query)
  return [operation.method.toUpperCase(), path, body, { ...json, ...inLowerCase(own), ...inLowerCase(header) }]
}

const inLowerCase = (header: Header): Header =>
  Object.fromEntries(Object.entries(header).map(([name, value]) => [name.toLowerCase(), value]))
