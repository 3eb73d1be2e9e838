/** Serves the contract: as YAML, as JSON, as OpenAPI 3.0 and as an interactive reference. */
import swagger from '@fastify/swagger'
import type { FastifyInstance, RouteHandlerMethod } from 'fastify'
import type { Contract } from '../contract/load.ts'
import { refuseOtherMethods } from './methods.ts'
import { createPage, loadScript } from './reference.ts'
import { serve } from './serve.ts'

/** Where the interactive reference is served. */
export const DOCS_PATH = '/docs'

/** Registers `/openapi.yaml`, `/openapi.json`, `/openapi-3.0.yaml` and `/docs`. */
export async function registerDocuments(
  app: FastifyInstance,
  { document, yaml, yaml30 }: Pick<Contract, 'document' | 'yaml' | 'yaml30'>,
): Promise<void> {
  const asYaml = serve('application/yaml', yaml)
  await app.register(swagger, { mode: 'static', specification: { document: document as never } })
  const asJson = serve('application/json', JSON.stringify(app.swagger()))
  const { title } = document.info
  const handlers: Record<string, RouteHandlerMethod> = {
    '/openapi.yaml': asYaml,
    '/openapi-3.0.yaml': serve('application/yaml', yaml30),
    '/openapi.json': asJson,
    // Links in the page are relative, so that it works with and without a trailing slash.
    [DOCS_PATH]: createPage(title, `.${DOCS_PATH}/`),
    [`${DOCS_PATH}/`]: createPage(title, './'),
    [`${DOCS_PATH}/reference.js`]: await loadScript(),
    [`${DOCS_PATH}/json`]: asJson,
    [`${DOCS_PATH}/yaml`]: asYaml,
  }
  for (const [url, handler] of Object.entries(handlers)) {
    app.get(url, handler)
    refuseOtherMethods(app, url, ['GET'])
  }
}
