/** The contract as documents: the file itself, the same as JSON and as OpenAPI 3.0, and a reference to try it in. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import type { Contract } from './load.ts'
import { refuseOtherMethods } from './routes.ts'

/** Where the interactive reference is served. */
export const DOCS_PATH = '/docs'

/** What the reference's pages may load: their own files, the images within their style sheet, and the styles that their script sets. */
const PAGE_POLICY = {
  'default-src': "'self'",
  'style-src': "'self' 'unsafe-inline'",
  'img-src': "'self' data:",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
  'object-src': "'none'",
}

/** Registers `/openapi.yaml`, `/openapi.json`, `/openapi-3.0.yaml` and `/docs`; `/` leads to the last. */
export async function registerDocuments(app: FastifyInstance, contract: Contract): Promise<void> {
  // Fastify does not tell onRoute of the variant with a slash at the end.
  const pages = new Set([`${DOCS_PATH}/`])
  app.addHook('onRoute', ({ method, url }) => {
    if ([method].flat().includes('GET') && url.startsWith(DOCS_PATH)) pages.add(url)
  })
  await app.register(swagger, { mode: 'static', specification: { document: contract.document as never } })
  await app.register(swaggerUi, { routePrefix: DOCS_PATH, staticCSP: PAGE_POLICY })
  for (const url of pages) refuseOtherMethods(app, url, ['GET'])

  const documents = {
    '/openapi.yaml': ['application/yaml', contract.yaml],
    '/openapi-3.0.yaml': ['application/yaml', contract.yaml30],
    '/openapi.json': ['application/json', JSON.stringify(app.swagger())],
  } as const
  for (const [url, [mediaType, content]] of Object.entries(documents)) {
    app.get(url, async (_request, reply) => reply.header('content-type', mediaType).send(content))
    refuseOtherMethods(app, url, ['GET'])
  }
  app.get('/', async (_request, reply) => reply.redirect(DOCS_PATH))
  refuseOtherMethods(app, '/', ['GET'])
}
