/** Refuses requests that Node's parser accepts but that are unsafe to serve. */
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isLoopback } from '../config/loopback.ts'
import { misdirected, Problem } from '../contract/problem.ts'

/**
 * Refuses other versions than HTTP/1.1 and HTTP/1.0, and an ambiguous Host.
 * @param loopbackOnly whether requests must be addressed to this machine
 */
export function refuseUnsafeRequests(app: FastifyInstance, loopbackOnly: boolean): void {
  app.addHook('onRequest', (request, _reply, done) => {
    requireHttp1(request.raw)
    if (loopbackOnly && !isForLoopback(request)) throw misdirected()
    done()
  })
}

/** Refuses what a proxy in front may interpret differently than Node does. */
function requireHttp1({ httpVersion, headers, rawHeaders }: IncomingMessage): void {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    throw new Problem('malformed_request', 'Only HTTP/1.1 and HTTP/1.0 are supported.')
  }
  if (headers.host === undefined && httpVersion === '1.1') {
    throw new Problem('malformed_request', 'HTTP/1.1 requests need a Host header.')
  }
  // Node keeps the first of several; a proxy may have used the last.
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.length === 4 && /^host$/i.test(name))
  if (hosts.length > 1) throw new Problem('malformed_request', 'The Host header must not be repeated.')
}

/**
 * Whether every host that the request names is this machine. A foreign DNS name can resolve to this machine; to a
 * browser, pages of that name then have the same origin as this server (DNS rebinding).
 */
function isForLoopback({ headers: { host }, url }: FastifyRequest): boolean {
  // A target in absolute form names a host too; the router only looks at its path.
  const target = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1]
  return [host, target].every(authority => authority === undefined || isLoopbackAuthority(authority))
}

/** Whether an authority (RFC 3986, 3.2), such as a Host header, names this machine, on any port. */
function isLoopbackAuthority(authority: string): boolean {
  const host = /^(\[[^\]]*\]|[^:]*)(:[0-9]*)?$/.exec(authority)?.[1]
  return host !== undefined && isLoopback(host.toLowerCase())
}
