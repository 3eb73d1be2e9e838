/** Which host names and addresses are this machine's own. */
import { isIPv4 } from 'node:net'

/** Whether a host name or address, in brackets or not, is this machine's own. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1')
  return host === 'localhost' || address === '::1' || (isIPv4(address) && address.startsWith('127.'))
}
