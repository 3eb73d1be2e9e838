/** The pages that explain problems, and the guides. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { startService } from '../../scripts/support/service.ts'
import { problems } from '../../src/contract/problems.gen.ts'
import { resolve } from '../../src/http/guides.ts'

const service = await startService({ corsOrigins: ['https://app.example'] })
t.teardown(() => service[Symbol.asyncDispose]())
const { origin } = service
type Page = Record<'type' | 'code' | 'title', string> & { retry: boolean }

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'

t.test('the type of a problem leads to its explanation, as JSON for programs and as HTML for people', async t => {
  const error = await fetch(`${origin}/nowhere`)
  const { type, code, title } = (await error.json()) as Page
  const json = await fetch(new URL(type, origin))
  t.match(json.headers.get('content-type'), /^application\/json/)
  t.match(await json.json(), { type, code, title, status: 404, meaning: String, action: String, retry: false })
  const html = await fetch(new URL(type, origin), { headers: { accept: BROWSER } })
  t.match(html.headers.get('content-type'), /^text\/html/)
  t.match(html.headers.get('content-security-policy'), /^default-src 'none'; style-src 'sha256-/)
  const text = await html.text()
  t.match(text, '<title>Not found</title>')
  t.match(text, code)
})

t.test('/problems lists all of them, each with a page of its own', async t => {
  const { data } = (await (await fetch(`${origin}/problems`)).json()) as { data: Page[] }
  t.same(
    data.map(({ code }) => code),
    Object.keys(problems),
  )
  const html = await (await fetch(`${origin}/problems`, { headers: { accept: BROWSER } })).text()
  for (const { type, retry } of data) {
    t.match(html, `href="${type}"`)
    t.type(retry, 'boolean')
    t.equal((await fetch(origin + type)).status, 200, type)
  }
})

t.test('a cache is told that the media type depends on Accept, beside what CORS says', async t => {
  const headers = { origin: 'https://app.example' }
  t.equal((await fetch(`${origin}/problems`, { headers })).headers.get('vary'), 'Origin, Accept')
})

t.test('unknown codes, other methods and other media types are errors', async t => {
  t.equal((await fetch(`${origin}/problems/no_such_code`)).status, 404)
  const posted = await fetch(`${origin}/problems/overloaded`, { method: 'POST' })
  t.same([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD'])
  const refused = await fetch(`${origin}/problems`, { headers: { accept: 'image/png' } })
  t.same([refused.status, refused.headers.get('vary')], [406, 'Origin, Accept'])
  t.equal((await fetch(`${origin}/problems`, { headers: { accept: '' } })).status, 200, 'an empty Accept is none')
})

t.test('a link of a guide to a file that is not known is an error', async t => {
  t.throws(() => resolve('client.md'), { message: /client\.md, which is not known/ })
})

t.test('the guides are served, and every link of theirs and of the contract leads somewhere', async t => {
  const contract = await readFile(new URL('../../openapi/openapi.gen.yaml', import.meta.url), 'utf8')
  const inContract = [...contract.matchAll(/\]\((\/[^)]*)\)/g)].map(([, path]) => path as string)
  t.ok(inContract.length >= 6)
  const pages = ['/guides/clients', '/guides/dates', '/guides/api-conventions']
  const inGuides = pages.map(async page => {
    const response = await fetch(origin + page)
    t.match(response.headers.get('content-type'), /^text\/html/)
    const links = [...(await response.text()).matchAll(/href="([^"]*)"/g)].map(([, href]) => href as string)
    return links.map(href => (href.startsWith('#') ? page + href : href))
  })
  const links = new Set([...inContract, ...(await Promise.all(inGuides)).flat()])
  for (const link of links) {
    if (!link.startsWith('/')) continue
    const [path, fragment] = link.split('#')
    const response = await fetch(`${origin}${path}`)
    t.equal(response.status, 200, link)
    if (fragment !== undefined) t.match(await response.text(), `id="${fragment}"`, link)
  }
})
