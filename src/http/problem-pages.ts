/** What the codes of problems mean: `/problems` lists them, `/problems/{code}` explains one, as HTML or as JSON. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { Problem } from '../contract/problem.ts'
import { problems } from '../contract/problems.gen.ts'
import { refuseOtherMethods } from './methods.ts'
import { servePage } from './page.ts'
import { type Serve, serve, vary } from './serve.ts'

const PATH = '/problems'

/** One kind of problem, as JSON. */
const describe = ([code, { status, title, meaning, action, retry }]: [string, Kind]) => ({
  type: `${PATH}/${code}`,
  code,
  status,
  title,
  meaning: meaning.trim(),
  action,
  retry,
})

type Kind = (typeof problems)[keyof typeof problems]

export function registerProblemPages(app: FastifyInstance): void {
  const kinds = Object.entries(problems)
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
    const mediaType = new Negotiator(request.raw).mediaType(MEDIA_TYPES)
    if (mediaType === undefined) throw new Problem('not_acceptable', `This page is ${MEDIA_TYPES.join(' or ')}.`)
    vary(reply, 'Accept')
    return mediaType === 'text/html' ? page(request, reply) : json(request, reply)
  }
}

const list = (kinds: [string, Kind][]) => `# Problems

Every error response has a \`code\`. [API conventions](/guides/api-conventions#errors) describes the other members.

| status | code | what to do |
| --- | --- | --- |
${kinds.map(row).join('\n')}
`

const row = ([code, { status, action }]: [string, Kind]) => `| ${status} | [\`${code}\`](${PATH}/${code}) | ${action} |`

function explain(code: string, { status, title, meaning, action, retry, example }: Kind): string {
  const { summary, ...occurrence } = example
  const response = { type: `${PATH}/${code}`, title, status, code, ...occurrence }
  return `# ${title}

\`${code}\`, status ${status}

${meaning.trim()}

**What to do:** ${action}

**Retry:** ${retry ? 'The same request may succeed later.' : 'The same request will fail again.'}

${summary}:

\`\`\`json
${JSON.stringify(response, null, 2)}
\`\`\`

[All problems](${PATH})
`
}
