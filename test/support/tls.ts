/** A proxy that adds TLS to a PostgreSQL without it. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { TLSSocket } from 'node:tls'
import { temporaryFolder } from '../../scripts/support/folder.ts'

/** SSLRequest: its length, and the code 80877103 (PostgreSQL's manual, 55.7, "Message Formats"). */
const SSL_REQUEST = 8

export interface TlsProxy extends AsyncDisposable {
  /** A connection string that leads through the proxy and trusts only its certificate. */
  url: string
}

/** Accepts connections with a new certificate and forwards them to the Unix socket of `databaseUrl`. */
export async function startTlsProxy(databaseUrl: string): Promise<TlsProxy> {
  await using stack = new AsyncDisposableStack()
  const { path: folder } = stack.use(await temporaryFolder())
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '1']
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', ...subject]
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  const identity = { key: readFileSync(key), cert: readFileSync(certificate) }
  const far = join(new URL(databaseUrl.replace('@/', '@localhost/')).searchParams.get('host') ?? '', '.s.PGSQL.5432')

  const server = createServer(async near => {
    const lost = () => near.destroy()
    near.on('error', lost)
    await once(near, 'readable')
    near.read(SSL_REQUEST)
    near.write('S')
    const secure = new TLSSocket(near, { isServer: true, ...identity })
    const database = connect(far)
    await Promise.all([pipeline(secure, database), pipeline(database, secure)]).catch(lost)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const trust = `sslmode=verify-full&sslrootcert=${encodeURIComponent(certificate)}`
  stack.defer(() => {
    server.close()
  })
  const resources = stack.move()
  return {
    url: `postgresql://postgres@localhost:${port}/postgres?${trust}`,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
