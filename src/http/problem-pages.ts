/** What the codes of problems mean: `/problems` lists them, `/problems/{code}` explains one, as HTML or as JSON. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Problem, type ProblemCode, type ValidationError } from '../contract/problem.ts'
import { problems } from '../contract/problems.gen.ts'
import { refuseOtherMethods } from './methods.ts'
import { chooseMediaType } from './negotiation.ts'
import { servePage } from './page.ts'
import { type Serve, serve, vary } from './serve.ts'

const PATH = '/problems'

/** One kind of problem, as JSON. */
const describe = ([code, { status, title, meaning, action, retry }]: [string, Kind]) => ({
  type: `${PATH}/${code}`,
  code,
  status,
  title,
  meaning,
  action,
  retry,
})

type Kind = (typeof problems)[ProblemCode]

interface Example {
  summary: string
  detail: string
  errors?: readonly ValidationError[]
}

/** The id of the request that the examples are about. */
const EXAMPLE_REQUEST = '0d8a1a5e-3a4b-4f0e-9a36-0c7b1c3f6e55'

export function registerProblemPages(app: FastifyInstance): void {
  const kinds = Object.entries(problems) as [ProblemCode, Kind][]
  const all = { data: kinds.map(describe) }
  const pages = new Map([
    [PATH, negotiate(servePage(list(kinds)), all)],
    ...kinds.map(kind => [`${PATH}/${kind[0]}`, negotiate(servePage(explain(...kind)), describe(kind))] as const),
  ])
  for (const [url, page] of pages) {
    app.get(url, page)
    refuseOtherMethods(app, url, ['GET'])
  }
}

const MEDIA_TYPES = ['application/json', 'text/html']

/** HTML for clients that prefer it, as browsers do, and otherwise JSON. */
function negotiate(page: Serve, value: unknown) {
  const json = serve('application/json', JSON.stringify(value))
  return (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    vary(reply, 'Accept')
    const mediaType = chooseMediaType(request, MEDIA_TYPES)
    if (mediaType === undefined) {
      throw new Problem('not_acceptable', `This page is available as ${MEDIA_TYPES.join(' and ')}.`)
    }
    return mediaType === 'text/html' ? page(request, reply) : json(request, reply)
  }
}

const list = (kinds: [ProblemCode, Kind][]) => `# Problems

Every error response has a \`code\`. [API conventions](/guides/api-conventions#errors) describes the other members.

| status | code | what to do |
| --- | --- | --- |
${kinds.map(row).join('\n')}
`

const row = ([code, { status, action }]: [string, Kind]) => `| ${status} | [\`${code}\`](${PATH}/${code}) | ${action} |`

function explain(code: ProblemCode, { status, title, meaning, action, retry, example }: Kind): string {
  const { summary, detail, errors }: Example = example
  const problem = new Problem(code, detail, errors === undefined ? {} : { errors: [...errors] })
  const response = problem.body(EXAMPLE_REQUEST)
  return `# ${title}

\`${code}\`, status ${status}

${meaning}

**What to do:** ${action}

**Retry the same request:** ${retry ? 'yes' : 'no, first do the above'}

${summary}:

\`\`\`json
${JSON.stringify(response, null, 2)}
\`\`\`

[All problems](${PATH})
`
}
