import { isIPv4 } from 'node:net'

/** Whether a host name or address, in brackets or not, is this machine's own. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1')
  return host === 'localhost' || address === '::1' || (isIPv4(address) && address.startsWith('127.'))
}

/** Whether an authority (RFC 3986, 3.2), such as a Host header, names this machine; its port does not matter. */
export function isLoopbackAuthority(authority: string): boolean {
  const host = /^(\[[^\]]*\]|[^:]*)(:[0-9]*)?$/.exec(authority)?.[1]
  return host !== undefined && isLoopback(host.toLowerCase())
}
