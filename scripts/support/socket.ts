/** HTTP written by hand, for input that no client library would send. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'

/** Sends bytes to a local port and returns the response, read until it is complete or the server closes. */
export async function exchange(
  port: number,
  bytes: string,
): Promise<{ status: number; headers: Headers; text: string }> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(bytes, 'latin1')
  let received = ''
  for await (const chunk of socket) {
    // Interim responses do not count.
    received = `${received}${chunk}`.replace(/^HTTP\/1\.1 1\d\d .*\r\n\r\n/, '')
    if (isComplete(received)) break
  }
  socket.destroy()
  const [head = '', ...rest] = received.split('\r\n\r\n')
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers = new Headers(lines.map(line => line.split(/: (.*)/, 2) as [string, string]))
  return { status: Number(statusLine.split(' ')[1]), headers, text: rest.join('\r\n\r\n') }
}

function isComplete(received: string): boolean {
  const [head = '', ...rest] = received.split('\r\n\r\n')
  const length = /^content-length: (\d+)$/im.exec(head)?.[1]
  return length !== undefined && Buffer.byteLength(rest.join('\r\n\r\n')) >= Number(length)
}

/** Sends bytes to a local port and returns everything that comes back until the server closes. */
export async function conversation(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(bytes, 'latin1')
  return text(socket)
}

/** Opens a connection to a local port that the other side may reset without harm. */
export async function openConnection(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  // Many tests cause it to be closed or reset.
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}
