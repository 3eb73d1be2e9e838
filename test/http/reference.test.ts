/** The reference in a real browser shows every operation, can send requests, and shows nothing of anybody else. */
import { existsSync } from 'node:fs'
import puppeteer from 'puppeteer-core'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { type Service, silent, startService } from '../../scripts/support/service.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { bearer, secret } from '../support/issuer.ts'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const skip = !executablePath && !process.env.CI && 'needs Chromium'

const SIDEBAR = '.t-doc__sidebar'

/**
 * Evaluates to what the page shows of anybody else: names, links to other origins, pictures and icons, and fields for
 * URLs. Scripts in the page are strings, because the types of this project do not include those of browsers.
 */
const FOREIGN = String.raw`(() => {
  const isShown = one => one.checkVisibility({ visibilityProperty: true })
  const shown = [...document.querySelectorAll('body *')].filter(isShown)
  const labels = ['alt', 'aria-label', 'placeholder', 'title', 'name']
  const label = one => labels.map(name => one.getAttribute(name)).join(' ')
  const isForeignLink = one => one.matches('a[href]') && one.origin !== location.origin
  const texts = [document.title, document.body.innerText, ...shown.map(label)].join('\n')
  const fields = shown.filter(one => one.matches('input, textarea, select'))
  const icons = [...document.querySelectorAll('link[rel~="icon"]')].map(({ href }) => href)
  return [
    ...(texts.match(/.*\b(scalar|swagger|smartbear|redoc|powered by|ask ai|mcp|api client by|client libraries)\b.*/gi) ?? []),
    ...shown.filter(isForeignLink).map(one => one.getAttribute('href')),
    ...shown.filter(one => one.matches('img, .ascii-art')).map(one => one.outerHTML),
    ...fields.filter(one => one.type === 'url' || /url|definition/i.test(label(one))).map(one => one.outerHTML),
    ...icons.filter(href => !href.startsWith('data:image/svg+xml,')),
  ]
})()`

/** An explanation of a response's status, which opens only when it is clicked. */
const STATUS_LINK = 'https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/'

/** What the reference shows of a contract. */
interface Document {
  info: { title: string }
  tags: [{ name: string }, ...{ name: string }[]]
  paths: { [path: string]: { get?: { tags: string[] } } }
}

/** Opens the reference and records what must not happen: errors, violations and requests to other origins. */
async function openReference({ origin }: Service, width: number) {
  await using opened = new AsyncDisposableStack()
  // Most containers do not allow a sandbox, and the only page is our own.
  const args = ['--no-sandbox']
  const browser = opened.use(await puppeteer.launch({ executablePath: executablePath as string, args }))
  const page = await browser.newPage()
  const isMobile = width < 600
  await page.setViewport({ width, height: 900, isMobile, hasTouch: isMobile })
  const complaints: string[] = []
  page.on('console', message => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', error => complaints.push(String(error)))
  page.on('request', request => {
    if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('data:')) complaints.push(request.url())
  })
  await page.evaluateOnNewDocument(
    `addEventListener('securitypolicyviolation', event => console.error('violation', event.violatedDirective))`,
  )
  const contract = await (await fetch(`${origin}/openapi.json`)).text()
  const document = JSON.parse(contract) as Document
  // What the contract itself links to or names is not foreign.
  const foreign = async () =>
    ((await page.evaluate(FOREIGN)) as string[]).filter(
      what => !contract.includes(what) && !what.startsWith(STATUS_LINK),
    )
  await page.goto(`${origin}/docs`)
  await page.waitForSelector('h1')
  const all = opened.move()
  return { page, complaints, document, foreign, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

t.test(
  'the reference shows the contract, starting with its first tag, and nothing of anybody else',
  { skip },
  async t => {
    await using service = await startService()
    await using opened = await openReference(service, 1280)
    const { page, complaints, document, foreign } = opened
    const { info, tags } = document
    const first = `#tag/${tags[0].name}`
    await page.waitForSelector(`${SIDEBAR} a[href^="${first}/"]`)
    const links = async () =>
      page.$$eval(`${SIDEBAR} a[href^="#tag/"]`, all => all.map(one => one.getAttribute('href')))
    t.equal((await links())[0], first)
    t.match(await page.$eval('[id*="/tag/"]', one => one.id), new RegExp(`/tag/${tags[0].name}$`))
    t.equal(await page.title(), info.title)
    t.equal(await page.$eval('h1', one => one.textContent?.trim()), info.title)

    for (const { name } of tags) {
      const group = await page.$(`${SIDEBAR} li:has(> * a[href="#tag/${name}"], > a[href="#tag/${name}"]) button`)
      if ((await links()).every(link => !link?.startsWith(`#tag/${name}/`))) await group?.click()
      await page.waitForSelector(`${SIDEBAR} a[href^="#tag/${name}/"]`)
    }
    const shown = (await links()).map(link => link?.split('/').slice(2).join('/')).filter(Boolean)
    const declared = operations.map(({ method, path }) => method.toUpperCase() + path)
    t.same(shown.toSorted(), declared.toSorted(), 'every operation is shown')
    t.same(await foreign(), [])
    t.same(complaints, [])
  },
)

t.test('the reference sends a request with a bearer token', { skip }, async t => {
  await using service = await startService({ authenticate: createAuthenticate({ secret }, silent) })
  await using opened = await openReference(service, 1280)
  const { page, complaints, document, foreign } = opened
  const operation = operations.find(({ method, path }) => method === 'get' && path.split('{').length === 2)
  const { path, parameters } = operation as (typeof operations)[number]
  const user = 'alice'
  const { authorization } = await bearer(user)

  const token = await page.waitForSelector('input[placeholder="Token"]')
  await token?.type(authorization.replace('Bearer ', ''))
  const anchor = `tag/${document.paths[path]?.get?.tags[0]}/GET${path}`
  await page.evaluate(`location.hash = '${anchor}'`)
  const test = await page.waitForSelector(`[id$="/${anchor}"] ::-p-text(Test Request)`)
  await test?.click()
  const name = parameters.find(parameter => parameter.in === 'path')?.name
  await (await page.waitForSelector(`[role=dialog] tr[id="${name}"] td:nth-child(3)`))?.click()
  await page.keyboard.type(user)
  t.same(await foreign(), [], 'before the request is sent')
  const answered = page.waitForResponse(response => response.url().startsWith(`${service.origin}/api/`))
  await page.keyboard.down('Control')
  await page.keyboard.press('Enter')
  await page.keyboard.up('Control')
  const response = await answered
  t.equal(response.status(), 200)
  t.equal(response.request().headers().authorization, authorization)
  t.ok(await page.waitForSelector('[role=dialog] ::-p-text(200 OK)'), 'the response is shown')
  t.same(await foreign(), [])
  t.same(complaints, [])
})

t.test('on a phone the reference is readable and does not scroll horizontally', { skip }, async t => {
  await using service = await startService()
  await using opened = await openReference(service, 390)
  const { page, complaints, document, foreign } = opened
  const measure = () =>
    page.evaluate(`({ page: document.documentElement.scrollWidth, body: document.body.scrollWidth })`)
  t.same(await measure(), { page: 390, body: 390 })
  for (const { name } of document.tags) {
    await page.evaluate(`location.hash = '#tag/${name}'`)
    await page.waitForSelector(`[id$="/tag/${name}"] h2`)
    t.same(await measure(), { page: 390, body: 390 }, name)
  }
  const size = await page.evaluate(`parseFloat(getComputedStyle(document.querySelector('.markdown p')).fontSize)`)
  t.ok((size as number) >= 14, `text is ${size} px high`)
  t.same(await foreign(), [])
  t.same(complaints, [])
})
