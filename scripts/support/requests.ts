/** Requests as the contract has them: its path templates filled in, and a valid request for every operation. */
import { randomUUID } from 'node:crypto'
import type { Operation } from '../../src/contract/load.ts'

/** A user whom no other test knows. */
export const randomUser = (): string => `user-${randomUUID()}`

export type Query = Record<string, unknown>

/** The path of an operation, with its query; a value that is an array becomes a parameter that is repeated. */
export function pathTo(
  { path }: Pick<Operation, 'path'>,
  parameters: Record<string, string>,
  query: Query = {},
): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(parameters[name] ?? ''))
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().flatMap(one => (one === undefined ? [] : [[name, String(one)] as [string, string]])),
  )
  return pairs.length === 0 ? filled : `${filled}?${new URLSearchParams(pairs)}`
}

interface Described {
  examples?: Record<string, { value: unknown }>
}

interface Parameter extends Described {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
}

interface Body {
  required?: boolean
  content: Record<string, Described>
}

/**
 * A request with what an operation requires and no more, from the contract's examples. `user` and `id` replace those of
 * the examples. By default the user is new and has no such task.
 */
export function validRequest(
  operation: Operation,
  user = randomUser(),
  { id = randomUUID() as string } = {},
): [method: string, path: string, body: unknown] {
  const required = (operation.parameters as Parameter[]).filter(parameter => parameter.required)
  const inPath = required.filter(parameter => parameter.in === 'path')
  const chosen: Record<string, string> = { user_id: user, id }
  const places = new Map(inPath.map(parameter => [example(parameter), chosen[parameter.name]]))
  const replaced = (value: unknown): unknown => JSON.parse(JSON.stringify(value), (_, part) => places.get(part) ?? part)
  const inQuery = required.filter(parameter => parameter.in === 'query')
  const path = Object.fromEntries(inPath.map(parameter => [parameter.name, String(replaced(example(parameter)))]))
  const query = Object.fromEntries(inQuery.map(parameter => [parameter.name, replaced(example(parameter))]))
  const body = operation.requestBody as Body | undefined
  return [
    operation.method.toUpperCase(),
    pathTo(operation, path, query),
    body?.required ? replaced(example(Object.values(body.content)[0])) : undefined,
  ]
}

/** The first example, which is the simplest one. */
function example(described: Described | undefined): unknown {
  const [first] = Object.values(described?.examples ?? {})
  if (first === undefined) throw new Error(`the contract has no example: ${JSON.stringify(described)}`)
  return first.value
}
