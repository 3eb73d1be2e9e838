/**
 * What the hand-written files of the contract state once and the bundle repeats: the traits of operations and
 * responses, and the content of problems. Works on one parsed file at a time; the result is plain OpenAPI.
 */

interface Reference {
  $ref: string
}

/** What the operations that list it in `x-traits` have in common, as traits of AsyncAPI. */
export interface Trait {
  parameters?: Reference[]
  /** Added to each response. */
  headers?: Record<string, Reference>
  responses?: Record<string, Reference>
}

/** One kind of problem, as in problems.yaml. */
export interface ProblemKind {
  status: number
  title: string
  meaning: string
  action: string
  retry: boolean
  retry_after?: number
  example: { summary: string; detail: string; errors?: unknown[] }
}

export interface Common {
  traits: Record<string, Trait>
  problems: Record<string, ProblemKind>
}

type Node = Record<string, unknown>

/** All operations, and the responses that state their headers themselves, have this one. */
const EVERY = 'every'

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']

/** Expands `x-traits`, `x-problems` and `x-enum-from` in a file of the contract, in place. */
export function expand(file: Node, common: Common): void {
  for (const path of members(file.paths)) {
    for (const [method, operation] of Object.entries(path)) {
      if (METHODS.includes(method)) expandOperation(operation as Node, common)
    }
  }
  for (const response of members(file.responses)) expandResponse(response, [], common)
  for (const schema of members(file.schemas)) expandEnum(schema, common)
  delete file['x-traits']
}

const members = (map: unknown) => Object.values((map ?? {}) as Record<string, Node>)

/** Adds the parameters and responses of the operation's traits; what the operation states itself wins. */
function expandOperation(operation: Node, common: Common): void {
  const names = take<string[]>(operation, 'x-traits') ?? []
  const traits = [EVERY, ...names].map(name => traitOf(name, common))
  const parameters = [...((operation.parameters ?? []) as Node[]), ...traits.flatMap(trait => trait.parameters ?? [])]
  if (parameters.length > 0) operation.parameters = parameters
  const own = operation.responses as Record<string, Node>
  for (const response of Object.values(own)) expandResponse(response, names, common)
  operation.responses = Object.assign({}, ...traits.map(trait => trait.responses), own)
}

/** Adds the headers of the traits and the content of the problems, unless the response is defined elsewhere. */
function expandResponse(response: Node, inherited: string[], common: Common): void {
  if (response.$ref !== undefined) {
    if ('x-traits' in response || 'x-problems' in response) throw new Error(`${response.$ref} has its own traits`)
    return
  }
  const names = [EVERY, ...inherited, ...(take<string[]>(response, 'x-traits') ?? [])]
  response.headers = Object.assign({}, ...names.map(name => traitOf(name, common).headers), response.headers)
  const problems = take<(string | ({ code: string } & Node))[]>(response, 'x-problems')
  if (problems === undefined) return
  const examples = problems.map(one => {
    const { code, ...occurrence } = typeof one === 'string' ? { code: one } : one
    return [code, problemExample(code, occurrence, common)]
  })
  const schema = { $ref: 'common.yaml#/schemas/Problem' }
  response.content = { 'application/problem+json': { schema, examples: Object.fromEntries(examples) } }
}

/** @param occurrence members that differ from the usual example of the kind */
function problemExample(code: string, occurrence: Node, { problems }: Common): Node {
  const kind = problems[code]
  if (kind === undefined) throw new Error(`problems.yaml has no ${code}`)
  const { status, title, example } = kind
  const { summary, ...usual } = example
  const instance = '/requests/0d8a1a5e-3a4b-4f0e-9a36-0c7b1c3f6e55'
  return { summary, value: { type: `/problems/${code}`, title, status, instance, code, ...usual, ...occurrence } }
}

function expandEnum(schema: Node, { problems }: Common): void {
  const source = take<string>(schema, 'x-enum-from')
  if (source === undefined) return
  if (source !== 'problems') throw new Error(`x-enum-from: ${source} is not known`)
  schema.enum = Object.keys(problems)
}

function traitOf(name: string, { traits }: Common): Trait {
  const trait = traits[name]
  if (trait === undefined) throw new Error(`x-traits of openapi.yaml has no ${name}`)
  return trait
}

function take<T>(node: Node, name: string): T | undefined {
  const value = node[name]
  delete node[name]
  return value as T | undefined
}
