/** Requests as bytes, for raw sockets. */

/** A request on a connection that stays open. */
export const request = (method: string, path: string, headers = '', body = ''): string =>
  `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n${body}`

/** A request after whose response the server closes the connection. */
export const lastRequest = (method: string, path: string, headers = '', body = ''): string =>
  request(method, path, `Connection: close\r\n${headers}`, body)

/** The headers of a JSON body. */
export const jsonHeaders = (length: number): string => `Content-Type: application/json\r\nContent-Length: ${length}\r\n`

/** The statuses of all responses that a connection received. */
export const statusesOf = (received: string): number[] =>
  [...received.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map(([, status]) => Number(status))
