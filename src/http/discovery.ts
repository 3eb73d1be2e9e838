/** What the service says about itself to clients that know only its address. */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { Problem } from '../contract/problem.ts'
import { DOCS_PATH } from './documents.ts'
import { refuseOtherMethods } from './methods.ts'
import { METADATA_PATH, type OriginOf } from './origin.ts'
import { serve } from './serve.ts'

export interface DiscoveryOptions {
  /** The origin at which clients reach the service; if undefined, each request's own. */
  publicUrl?: string | undefined
  /** The issuer of the tokens; undefined if it has no URL, or without authentication. */
  issuer?: string | undefined
  /** The URI at which vulnerabilities are reported. */
  securityContact?: string | undefined
}

const CATALOG_PATH = '/.well-known/api-catalog'
const CATALOG_TYPE = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'
const CATALOG_LINK = `<${CATALOG_PATH}>; rel="api-catalog"`

/** Links from the service as a whole, by their relation (RFC 8631). */
const LINKS = {
  'service-desc': [
    { href: '/openapi.yaml', type: 'application/yaml' },
    { href: '/openapi.json', type: 'application/json' },
  ],
  'service-doc': [{ href: DOCS_PATH, type: 'text/html' }],
  status: [{ href: '/health', type: 'application/json' }],
}

const LINK_HEADER = [
  CATALOG_LINK,
  ...Object.entries(LINKS).flatMap(([rel, links]) =>
    links.map(({ href, type }) => `<${href}>; rel="${rel}"; type="${type}"`),
  ),
].join(', ')

/** RFC 9116 recommends less than a year, so that an abandoned file expires. */
const SECURITY_TXT_LIFETIME = 364 * 24 * 60 * 60 * 1000

/** Registers `/`, which redirects to the reference, the API catalog and, as far as configured, other documents. */
export function registerDiscovery(
  app: FastifyInstance,
  title: string,
  originOf: OriginOf,
  { publicUrl, issuer, securityContact }: DiscoveryOptions,
): void {
  const handlers: Record<string, RouteHandlerMethod> = {
    '/': async (_request, reply) => reply.header('link', LINK_HEADER).redirect(DOCS_PATH),
    [CATALOG_PATH]: (request, reply) => {
      reply.header('link', CATALOG_LINK)
      return serveJson(CATALOG_TYPE, catalog(originOf(request) ?? ''), request, reply)
    },
    ...(issuer !== undefined && {
      [METADATA_PATH]: (request: FastifyRequest, reply: FastifyReply) => {
        const origin = originOf(request)
        if (origin === undefined) throw new Problem('malformed_request', 'The Host header does not name a host.')
        return serveJson('application/json', metadata(origin, issuer, title), request, reply)
      },
    }),
    ...(securityContact !== undefined && {
      '/.well-known/security.txt': serve('text/plain; charset=utf-8', securityTxt(securityContact, publicUrl)),
    }),
  }
  for (const [url, handler] of Object.entries(handlers)) {
    app.get(url, handler)
    refuseOtherMethods(app, url, ['GET'])
  }
}

/** Serves a small document for this request only: it names the origin, which the next one may not share. */
const serveJson = (mediaType: string, document: unknown, request: FastifyRequest, reply: FastifyReply) =>
  serve(mediaType, JSON.stringify(document))(request, reply)

/** RFC 9727: a linkset (RFC 9264) with the only API. Its links are relative if the origin is unknown. */
function catalog(origin: string) {
  const links = Object.entries(LINKS).map(([rel, links]) => [
    rel,
    links.map(({ href, type }) => ({ href: `${origin}${href}`, type })),
  ])
  const api = `${origin}/`
  return {
    linkset: [
      { anchor: `${origin}${CATALOG_PATH}`, item: [{ href: api }] },
      { anchor: api, ...Object.fromEntries(links) },
    ],
  }
}

/** RFC 9728: where to get the tokens that the service accepts. */
const metadata = (resource: string, issuer: string, title: string) => ({
  resource,
  authorization_servers: [issuer],
  bearer_methods_supported: ['header'],
  resource_name: title,
  resource_documentation: `${resource}${DOCS_PATH}`,
})

/** RFC 9116. It expires although the service still runs: a contact has to be confirmed at least once a year. */
function securityTxt(contact: string, publicUrl: string | undefined): string {
  const expires = new Date(Date.now() + SECURITY_TXT_LIFETIME).toISOString()
  const canonical = publicUrl === undefined ? '' : `Canonical: ${publicUrl}/.well-known/security.txt\n`
  return `Contact: ${contact}\nExpires: ${expires}\n${canonical}`
}
