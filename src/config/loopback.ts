/** Which hosts are this machine itself, and which URLs can be trusted. */
import { isIPv4 } from 'node:net'

/** Whether a host name or address, in brackets or not, is a loopback address or `localhost`. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1')
  return host === 'localhost' || address === '::1' || (isIPv4(address) && address.startsWith('127.'))
}

/** Whether keys from this URL can be trusted: over plain HTTP anyone could replace them, except on loopback. */
export function isTrustworthyUrl(text: string): boolean {
  const url = URL.parse(text)
  return url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))
}
