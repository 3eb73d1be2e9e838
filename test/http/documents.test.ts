/** The documents that the service serves, and the examples in the contract. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { startService } from '../../scripts/support/service.ts'
import { Problem, type ProblemCode } from '../../src/contract/problem.ts'
import { extractBundle } from '../../src/http/reference.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { origin } = service
const file = new URL('../../openapi/openapi.gen.yaml', import.meta.url)

t.test('/openapi.yaml returns the contract byte for byte', async t => {
  const response = await fetch(`${origin}/openapi.yaml`)
  t.equal(response.headers.get('content-type'), 'application/yaml')
  t.ok(Buffer.from(await response.arrayBuffer()).equals(await readFile(file)))
})

t.test('/openapi.json returns the same contract as JSON', async t => {
  const response = await fetch(`${origin}/openapi.json`)
  t.match(response.headers.get('content-type'), /^application\/json/)
  t.same(await response.json(), parse(await readFile(file, 'utf8')))
})

t.test('/openapi-3.0.yaml returns the same operations in OpenAPI 3.0', async t => {
  const response = await fetch(`${origin}/openapi-3.0.yaml`)
  const old = parse(await response.text())
  const contract = parse(await readFile(file, 'utf8'))
  t.equal(old.openapi, '3.0.3')
  t.same(Object.keys(old.paths), Object.keys(contract.paths))
  t.equal(old.components.schemas.DescriptionInput.nullable, true)
})

t.test('/docs returns an interactive reference of the contract, and / redirects to it', async t => {
  const root = await fetch(origin)
  t.equal(new URL(root.url).pathname, '/docs')
  const { info } = parse(await readFile(file, 'utf8'))
  for (const path of ['/docs', '/docs/']) {
    const response = await fetch(origin + path)
    const page = await response.text()
    t.match(page, `<title>${info.title}</title>`)
    const src = /<script src="(\..*)">/.exec(page)?.[1] as string
    t.equal(new URL(src, response.url).pathname, '/docs/reference.js', `${path} loads the script by a relative URL`)
  }
  const script = await fetch(`${origin}/docs/reference.js`)
  t.match(await script.text(), "new URL('json', document.currentScript.src)", 'and so does the script the contract')
  const contract = await fetch(`${origin}/docs/json`)
  t.same(await contract.json(), parse(await readFile(file, 'utf8')))
})

t.test('If-None-Match with the current ETag of a document or a file of the reference returns 304', async t => {
  for (const path of ['/openapi.yaml', '/openapi.json', '/docs/json', '/docs/yaml', '/docs', '/docs/reference.js']) {
    const url = origin + path
    const first = await fetch(url)
    const etag = first.headers.get('etag') as string
    const text = await first.text()
    t.match(etag, /^"[\w-]{22}"$/, path)
    t.equal(first.headers.get('cache-control'), 'no-cache')
    for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const same = await fetch(url, { headers: { 'if-none-match': tags } })
      t.equal(same.status, 304, `${path} ${tags}`)
      t.equal(same.headers.get('etag'), etag)
      t.equal(await same.text(), '')
    }
    // Servers may ignore Range and If-Match.
    for (const headers of [{ 'if-none-match': '"other"' }, { 'if-match': '"other"' }, { range: 'bytes=99999999-' }]) {
      const whole = await fetch(url, { headers: headers as Record<string, string> })
      t.equal(whole.status, 200, `${path} ${JSON.stringify(headers)}`)
      t.equal(await whole.text(), text)
    }
    const head = await fetch(url, { method: 'HEAD' })
    t.same([head.status, head.headers.get('etag')], [200, etag])
    const plain = await fetch(url, { method: 'HEAD', headers: { 'accept-encoding': 'identity' } })
    t.equal(plain.headers.get('content-length'), `${Buffer.byteLength(text)}`)
  }
})

t.test('a package of the reference that is built differently is an error at start', async t => {
  t.throws(() => extractBundle('var other = "script";'), { message: /does not contain its bundle/ })
})

t.test('large documents are compressed for clients that accept it, with an ETag of their own', async t => {
  const url = `${origin}/openapi.yaml`
  const plain = await fetch(url, { headers: { 'accept-encoding': 'identity' } })
  const compressed = await fetch(url, { headers: { 'accept-encoding': 'gzip' } })
  t.equal(plain.headers.get('content-encoding'), null)
  t.equal(compressed.headers.get('content-encoding'), 'gzip')
  for (const { headers } of [plain, compressed]) t.equal(headers.get('vary'), 'Accept-Encoding')
  const [all = 0, few = 0] = [plain, compressed].map(({ headers }) => Number(headers.get('content-length')))
  t.ok(few * 3 < all, `${few} of ${all} bytes`)
  t.equal(await compressed.text(), await plain.text())
  t.not(compressed.headers.get('etag'), plain.headers.get('etag'))
  const small = await fetch(`${origin}/docs`, { headers: { 'accept-encoding': 'gzip' } })
  t.equal(small.headers.get('content-encoding'), null, 'small pages are not')
})

t.test('the files of the reference have their media types and its content security policy', async t => {
  for (const [path, type] of [
    ['/docs', 'text/html; charset=utf-8'],
    ['/docs/', 'text/html; charset=utf-8'],
    ['/docs/reference.js', 'text/javascript; charset=utf-8'],
  ] as const) {
    const { status, headers } = await fetch(origin + path)
    t.same([status, headers.get('content-type')], [200, type], path)
    t.match(headers.get('content-security-policy'), "default-src 'self'")
    t.notMatch(headers.get('content-security-policy'), /unsafe-eval|https?:|\*|script-src/)
  }
})

t.test('the examples of problems in the contract have the members that the service writes', async t => {
  const contract = parse(await readFile(file, 'utf8'))
  const examples = JSON.stringify(contract).matchAll(/"value":(\{"type":"\/problems\/[^}]*\})/g)
  const bodies = [...examples].map(([, json]) => JSON.parse((json as string).replace(/,"errors":.*$/, '}')))
  t.ok(bodies.length >= 10)
  for (const { code, detail, index, ...body } of bodies) {
    const sent = new Problem(code as ProblemCode, detail, { index }).body('0d8a1a5e-3a4b-4f0e-9a36-0c7b1c3f6e55')
    t.same({ ...body, code, detail, ...(index !== undefined && { index }) }, sent, code)
  }
})
