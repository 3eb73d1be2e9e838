/** Serves the contract: as YAML, as JSON, as OpenAPI 3.0 and as an interactive reference. */
import { readdir, readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import type { Contract } from '../contract/load.ts'
import { serve } from './fixed-response.ts'
import { refuseOtherMethods } from './methods.ts'

/** Where the interactive reference is served. */
export const DOCS_PATH = '/docs'

/** What the reference's pages may load: their own files, images in their style sheet, styles that their script sets. */
const PAGE_POLICY = {
  'default-src': "'self'",
  'style-src': "'self' 'unsafe-inline'",
  'img-src': "'self' data:",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
  'object-src': "'none'",
}

const MEDIA_TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
}

/** Registers `/openapi.yaml`, `/openapi.json`, `/openapi-3.0.yaml` and `/docs`; `/` redirects to `/docs`. */
export async function registerDocuments(
  app: FastifyInstance,
  contract: Pick<Contract, 'document' | 'yaml' | 'yaml30'>,
): Promise<void> {
  await app.register(swagger, { mode: 'static', specification: { document: contract.document as never } })
  const yaml = serve('application/yaml', contract.yaml)
  const json = serve('application/json', JSON.stringify(app.swagger()))
  const documents = {
    '/openapi.yaml': yaml,
    '/openapi-3.0.yaml': serve('application/yaml', contract.yaml30),
    '/openapi.json': json,
  }
  /**
   * For these, the reference would open a file or render a document per request: a client that reads no responses could
   * keep as many files open as it sends requests.
   */
  const fromMemory: Record<string, RouteHandlerMethod> = {
    [`${DOCS_PATH}/static/*`]: await serveFolder(new URL('static/', import.meta.resolve('@fastify/swagger-ui'))),
    [`${DOCS_PATH}/json`]: json,
    [`${DOCS_PATH}/yaml`]: yaml,
  }
  // onRoute is not called for the variant with a trailing slash.
  const pages = new Set([`${DOCS_PATH}/`])
  app.addHook('onRoute', route => {
    // Fastify adds HEAD routes itself, after those of GET.
    const isRead = [route.method].flat().some(method => method === 'GET' || method === 'HEAD')
    if (!isRead || !route.url.startsWith(DOCS_PATH)) return
    pages.add(route.url)
    route.handler = fromMemory[route.url] ?? route.handler
  })
  await app.register(swaggerUi, { routePrefix: DOCS_PATH, staticCSP: PAGE_POLICY })
  for (const url of pages) refuseOtherMethods(app, url, ['GET'])

  for (const [url, handler] of Object.entries(documents)) {
    app.get(url, handler)
    refuseOtherMethods(app, url, ['GET'])
  }
  app.get('/', async (_request, reply) => reply.redirect(DOCS_PATH))
  refuseOtherMethods(app, '/', ['GET'])
}

/** Serves the files of a folder. They are read once and found by name only, so no path leads outside the folder. */
async function serveFolder(folder: URL): Promise<RouteHandlerMethod> {
  const files = new Map<unknown, RouteHandlerMethod>()
  for (const name of await readdir(folder)) {
    const mediaType = MEDIA_TYPES[extname(name)]
    if (mediaType !== undefined) files.set(name, serve(mediaType, await readFile(new URL(name, folder))))
  }
  return function (request: FastifyRequest, reply: FastifyReply) {
    const file = files.get((request.params as Record<string, unknown>)['*'])
    return file === undefined ? reply.callNotFound() : file.call(this, request, reply)
  }
}
