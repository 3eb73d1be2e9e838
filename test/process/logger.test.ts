/** The log: JSON lines, or readable text on a terminal. */
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { createLogger } from '../../src/process/logger.ts'

/** Returns what a logger writes to an output that is a terminal or not. */
async function written(isTTY: boolean): Promise<string> {
  const output = Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.WriteStream & PassThrough
  const logger = await createLogger('info', output)
  logger.debug('unseen')
  logger.info({ status: 200 }, 'seen')
  const [chunk] = await once(output, 'data')
  return String(chunk)
}

const isPrettyLoaded = () =>
  Object.keys(createRequire(import.meta.url).cache).some(path => path.includes('pino-pretty'))

t.test('the log is JSON lines unless the output is a terminal', async t => {
  const line = JSON.parse(await written(false))
  t.match(line, { level: 30, status: 200, msg: 'seen', time: /^\d{4}-.*Z$/ })
  t.notOk(isPrettyLoaded(), 'pino-pretty is not loaded')
})

t.test('the log is readable text on a terminal', async t => {
  const text = await written(true)
  t.match(text, /INFO.*seen/)
  t.match(text, /status/)
  t.throws(() => JSON.parse(text))
  t.ok(isPrettyLoaded())
})
