/** What the service says about itself: links, the API catalog, OAuth metadata and security.txt. */
import { METHODS } from 'node:http'
import t, { type Test } from 'tap'
import { contract, operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { type Service, silent, startService } from '../../scripts/support/service.ts'
import { exchange } from '../../scripts/support/socket.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { lastRequest } from '../support/bytes.ts'
import { bearer, secret } from '../support/issuer.ts'

const CATALOG = '/.well-known/api-catalog'
const METADATA = '/.well-known/oauth-protected-resource'
const SECURITY = '/.well-known/security.txt'
const PUBLIC_URL = 'https://tasks.example.org'
const issuer = 'https://issuer.example.org/realm'
const authenticate = createAuthenticate({ secret }, silent)

/** The response to a GET with exactly these headers. */
const getWith = ({ port }: Service, path: string, headers: string, version = '1.1') =>
  exchange(port, `GET ${path} HTTP/${version}\r\nConnection: close\r\n${headers}\r\n`)

/** HEAD must have the same headers as GET, and every other method must be 405. */
async function checkMethods(t: Test, { origin, send }: Service, path: string): Promise<void> {
  const get = await fetch(origin + path, { redirect: 'manual' })
  const head = await fetch(origin + path, { method: 'HEAD', redirect: 'manual' })
  t.equal(head.status, get.status)
  for (const name of ['content-type', 'etag', 'link', 'location', 'content-length']) {
    t.equal(head.headers.get(name), get.headers.get(name), name)
  }
  t.equal(await head.text(), '')
  for (const method of METHODS.filter(method => !['CONNECT', 'GET', 'HEAD'].includes(method))) {
    const { status, headers } = await send(method, path, lastRequest(method, path))
    t.same([status, headers.get('allow')], [405, 'GET, HEAD'], `${method} ${path}`)
  }
  const etag = get.headers.get('etag')
  if (etag === null) return
  t.equal((await fetch(origin + path, { headers: { 'if-none-match': etag } })).status, 304)
}

t.test('/ links to the contract, the reference and the API catalog', async t => {
  await using service = await startService()
  const { headers, status } = await fetch(service.origin, { redirect: 'manual' })
  t.same([status, headers.get('location')], [302, '/docs'])
  const links = headers.get('link')?.split(', ') ?? []
  t.ok(links.includes('</openapi.yaml>; rel="service-desc"; type="application/yaml"'))
  t.ok(links.includes('</openapi.json>; rel="service-desc"; type="application/json"'))
  t.ok(links.includes('</docs>; rel="service-doc"; type="text/html"'))
  t.ok(links.includes(`<${CATALOG}>; rel="api-catalog"`))
  for (const link of links) {
    const [, path = '', type] = /^<(.+?)>; rel="[a-z-]+"(?:; type="(.+)")?$/.exec(link) ?? []
    const response = await fetch(service.origin + path)
    t.equal(response.status, 200, path)
    if (type !== undefined) t.match(response.headers.get('content-type'), type, path)
  }
  await checkMethods(t, service, '/')
})

t.test('the API catalog is a linkset with the contract, the reference and the health check', async t => {
  await using service = await startService()
  const { origin } = service
  const response = await fetch(origin + CATALOG)
  t.equal(
    response.headers.get('content-type'),
    'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"',
  )
  t.equal(response.headers.get('link'), `<${CATALOG}>; rel="api-catalog"`)
  const { linkset } = (await response.json()) as { linkset: Record<string, unknown>[] }
  t.strictSame(linkset, [
    { anchor: `${origin}${CATALOG}`, item: [{ href: `${origin}/` }] },
    {
      anchor: `${origin}/`,
      'service-desc': [
        { href: `${origin}/openapi.yaml`, type: 'application/yaml' },
        { href: `${origin}/openapi.json`, type: 'application/json' },
      ],
      'service-doc': [{ href: `${origin}/docs`, type: 'text/html' }],
      status: [{ href: `${origin}/health`, type: 'application/json' }],
    },
  ])
  await checkMethods(t, service, CATALOG)
  const relative = await getWith(service, CATALOG, '', '1.0')
  t.match(JSON.parse(relative.text), { linkset: [{ anchor: CATALOG }, { anchor: '/' }] }, 'without a Host')
  await using published = await startService({ discovery: { publicUrl: PUBLIC_URL } })
  t.match(await (await fetch(published.origin + CATALOG)).json(), { linkset: [{}, { anchor: `${PUBLIC_URL}/` }] })
})

t.test('with an issuer, the metadata of the resource names it, and every 401 names the metadata', async t => {
  const trustProxy = '127.0.0.1'
  await using service = await startService({ authenticate, discovery: { issuer }, trustProxy })
  const { origin, call } = service
  const response = await fetch(origin + METADATA)
  t.equal(response.headers.get('content-type'), 'application/json')
  t.strictSame(await response.json(), {
    resource: origin,
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    resource_name: contract.document.info.title,
    resource_documentation: `${origin}/docs`,
  })
  await checkMethods(t, service, METADATA)
  const parameter = `resource_metadata="${origin}${METADATA}"`
  const expired = await bearer('alice', { exp: 1 })
  for (const operation of operations.filter(({ security }) => security.length > 0)) {
    const [method, path, body] = validRequest(operation, 'alice')
    const without = await call(method, path, body)
    t.same([without.status, without.headers.get('www-authenticate')], [401, `Bearer ${parameter}`])
    const { status, headers } = await call(method, path, body, expired)
    t.same([status, headers.get('www-authenticate')], [401, `Bearer error="invalid_token", ${parameter}`])
  }
  // The request says where it came in; a proxy says where it came in there.
  for (const [headers, resource] of [
    ['Host: Tasks.example:8080\r\n', 'http://tasks.example:8080'],
    ['Host: [::1]:3000\r\n', 'http://[::1]:3000'],
    ['Host: x\r\nX-Forwarded-Host: tasks.example\r\nX-Forwarded-Proto: https\r\n', 'https://tasks.example'],
  ] as const) {
    t.match(JSON.parse((await getWith(service, METADATA, headers)).text), { resource }, headers)
    const { headers: answer } = await getWith(service, '/api/alice/tasks', headers)
    t.equal(answer.get('www-authenticate'), `Bearer resource_metadata="${resource}${METADATA}"`)
  }
  for (const host of ['a"b', 'a b', 'a:b:c', 'a,b', '%']) {
    const refused = await getWith(service, METADATA, `Host: ${host}\r\n`)
    t.same([refused.status, JSON.parse(refused.text).code], [400, 'malformed_request'], host)
    const { headers } = await getWith(service, '/api/alice/tasks', `Host: ${host}\r\n`)
    t.equal(headers.get('www-authenticate'), 'Bearer', `${host} is not repeated`)
  }
})

t.test('with a configured origin, the Host header does not matter', async t => {
  await using service = await startService({ authenticate, discovery: { issuer, publicUrl: PUBLIC_URL } })
  const metadata = await getWith(service, METADATA, 'Host: evil.example\r\n')
  t.match(JSON.parse(metadata.text), { resource: PUBLIC_URL, resource_documentation: `${PUBLIC_URL}/docs` })
  const { headers } = await getWith(service, '/api/alice/tasks', 'Host: evil.example\r\n')
  t.equal(headers.get('www-authenticate'), `Bearer resource_metadata="${PUBLIC_URL}${METADATA}"`)
})

t.test('security.txt names the contact and expires within a year', async t => {
  const securityContact = 'mailto:security@example.org'
  await using service = await startService({ discovery: { securityContact } })
  const response = await fetch(service.origin + SECURITY)
  t.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8')
  const [, contact, expires = ''] = /^Contact: (\S+)\nExpires: (\S+)\n$/.exec(await response.text()) ?? []
  t.equal(contact, securityContact)
  const days = (Date.parse(expires) - Date.now()) / 86_400_000
  t.ok(days > 300 && days < 365, expires)
  await checkMethods(t, service, SECURITY)
  await using published = await startService({ discovery: { securityContact, publicUrl: PUBLIC_URL } })
  t.match(await (await fetch(published.origin + SECURITY)).text(), `\nCanonical: ${PUBLIC_URL}${SECURITY}\n`)
})

t.test('what is not configured does not exist', async t => {
  await using service = await startService({ authenticate, discovery: { publicUrl: PUBLIC_URL } })
  for (const path of [METADATA, `${METADATA}/api`, SECURITY, '/.well-known', '/.well-known/openid-configuration']) {
    t.equal((await service.call('GET', path)).status, 404, path)
    t.equal((await service.call('POST', path)).status, 404, path)
  }
  const { headers } = await service.call('GET', '/api/alice/tasks')
  t.equal(headers.get('www-authenticate'), 'Bearer')
})
