/** The reference in a real browser shows all operations and can send requests. */
import { existsSync } from 'node:fs'
import puppeteer from 'puppeteer-core'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { startService } from '../../scripts/support/service.ts'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

t.test(
  'the reference in a browser shows every operation and tries one out',
  { skip: !executablePath && !process.env.CI && 'needs Chromium' },
  async t => {
    await using service = await startService()
    const { origin } = service
    // Most containers do not allow a sandbox, and the only page is our own.
    await using browser = await puppeteer.launch({ executablePath: executablePath as string, args: ['--no-sandbox'] })
    const page = await browser.newPage()
    const complaints: string[] = []
    page.on('console', message => message.type() === 'error' && complaints.push(message.text()))
    page.on('pageerror', error => complaints.push(String(error)))
    await page.goto(`${origin}/docs`)

    await page.waitForSelector('.opblock')
    t.equal((await page.$$('.opblock')).length, operations.length, 'every operation is shown')

    await page.click('#operations-health-getHealth .opblock-summary-control')
    await (await page.waitForSelector('#operations-health-getHealth .try-out__btn'))?.click()
    await (await page.waitForSelector('#operations-health-getHealth .execute'))?.click()
    const body = await page.waitForSelector(
      '#operations-health-getHealth .live-responses-table .response-col_description code',
    )
    t.match(await body?.evaluate(element => element.textContent), /"status":\s*"ok"/, 'the response is shown')
    t.same(complaints, [], 'the content security policy blocks nothing')
  },
)
