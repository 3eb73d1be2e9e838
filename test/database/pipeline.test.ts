/** Which connection gets a statement, and what becomes of one that waits; connections and time are the test's own. */
import t from 'tap'
import type { Done, PipelineConnection } from '../../src/database/pipeline.ts'
import { createPipelinePool, type PipelinePoolOptions } from '../../src/database/pipeline-pool.ts'

interface Line extends PipelineConnection {
  sent: string[]
  answer(error?: Error): void
  answerTwice(error: Error): void
  lose(): void
  isEnded: boolean
  destroyedBy?: Error
}

// What looks at the clock does not keep a process alive.
const alive = setInterval(() => undefined, 1000)
t.teardown(() => clearInterval(alive))

/** Connections that answer when they are told to. @param refuses whether the next one, of a number, is refused */
function createLines(options: Partial<PipelinePoolOptions> = {}, refuses: (number: number) => boolean = () => false) {
  const lines: Line[] = []
  const clock = { time: 0 }
  let attempts = 0
  const connect = async () => {
    attempts += 1
    if (refuses(attempts)) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    const waiting: Done[] = []
    let onLost = () => {}
    const line: Line = {
      sent: [],
      isEnded: false,
      send({ text }, done) {
        line.sent.push(text)
        waiting.push(done)
      },
      answer: error => waiting.shift()?.(error, { rows: [] } as never),
      answerTwice(error) {
        const done = waiting.shift()
        done?.(error, undefined as never)
        done?.(error, undefined as never)
      },
      lose() {
        for (const done of waiting.splice(0)) done(new Error('Connection terminated unexpectedly'), undefined as never)
        onLost()
      },
      onLost(listener) {
        onLost = listener
      },
      destroy(error) {
        line.destroyedBy = error
        for (const done of waiting.splice(0)) done(error, undefined as never)
        onLost()
      },
      async end() {
        line.isEnded = true
      },
    }
    lines.push(line)
    return line
  }
  const pipelines = createPipelinePool({
    connect,
    connections: 2,
    depth: 3,
    patience: 100,
    timeout: 1000,
    lifetime: 10_000,
    idleTime: 5_000,
    sweepInterval: 1,
    now: () => clock.time,
    ...options,
  })
  const query = (text: string) => pipelines.query({ text, values: [], name: undefined })
  const send = (...texts: string[]) => texts.map(query)
  return { lines, clock, pipelines, query, send }
}

/** Until what is due has been done: promises that are settled, and a look at the clock. */
const settled = () => new Promise(resolve => setTimeout(resolve, 5))

const until = async (holds: () => boolean) => {
  while (!holds()) await settled()
}

const sentOn = (lines: Line[]) => lines.map(({ sent }) => sent.join(''))

t.test('one connection is opened for one statement, another one while the first is at work', async t => {
  const { lines, query, pipelines } = createLines()
  t.same(pipelines.usage(), { busy: 0, idle: 0, waiting: 0 })
  const first = query('a')
  t.equal(pipelines.usage().waiting, 1)
  await settled()
  lines[0]?.answer()
  t.same(await first, { rows: [] })
  const second = query('b')
  t.same(sentOn(lines), ['ab'], 'one that is there and free is taken')
  query('c').catch(() => undefined)
  await settled()
  t.same(sentOn(lines), ['abc', ''], 'what is there does not wait for what is opened')
  query('d').catch(() => undefined)
  t.same(sentOn(lines), ['abc', 'd'])
  t.same(pipelines.usage(), { busy: 2, idle: 0, waiting: 0 })
  lines[0]?.answer()
  await second
})

t.test('the least loaded gets the next one, and each has a bounded number', async t => {
  const { lines, send, pipelines } = createLines()
  send('a', 'b')
  await settled()
  t.same(sentOn(lines), ['ab', ''])
  send('c', 'd', 'e', 'f', 'g', 'h')
  t.same(sentOn(lines), ['abe', 'cdf'])
  t.equal(pipelines.usage().waiting, 2)
  lines[1]?.answer()
  lines[1]?.answer()
  t.same(sentOn(lines), ['abe', 'cdfgh'], 'the oldest that waits is the first to go')
})

t.test('a connection that does not get on is avoided', async t => {
  const { lines, clock, send } = createLines()
  const slow = send('a', 'b')
  await settled()
  send('c', 'd')
  clock.time += 50
  lines[1]?.answer()
  lines[1]?.answer()
  send('e', 'f', 'g', 'h')
  t.same(sentOn(lines), ['ab', 'cdefg'], 'to wait for one that gets on is better than to be sent behind what is slow')
  clock.time += 100
  lines[0]?.answer()
  clock.time += 20
  send('i')
  t.same(sentOn(lines), ['abhi', 'cdefg'], 'where none gets on, the one that was the last to do so is taken')
  lines[0]?.answer()
  await Promise.all(slow)
})

t.test('an error is one statement’s, unless it breaks the connection', async t => {
  const { lines, send, query, pipelines } = createLines({ connections: 1 })
  const [bad, good] = send('a', 'b')
  await settled()
  lines[0]?.answer(Object.assign(new Error('no such column'), { code: '42703' }))
  await t.rejects(bad as Promise<unknown>, { code: '42703' })
  lines[0]?.answer()
  await good
  const [readOnly, behind] = send('c', 'd')
  lines[0]?.answer(Object.assign(new Error('read-only transaction'), { code: '25006' }))
  await t.rejects(readOnly as Promise<unknown>, { code: '25006' })
  const next = query('e')
  t.equal(lines[0]?.isEnded, false, 'it ends with the last that it has')
  lines[0]?.answer()
  await behind
  t.equal(lines[0]?.isEnded, true)
  await settled()
  t.same(sentOn(lines), ['abcd', 'e'], 'and another one takes its place')
  lines[1]?.lose()
  await t.rejects(next, { message: 'Connection terminated unexpectedly' })
  t.same(pipelines.usage(), { busy: 0, idle: 0, waiting: 0 })
})

t.test('an error that is told twice concerns nobody else', async t => {
  const { lines, send, pipelines } = createLines({ connections: 1 })
  const [bad, good] = send('a', 'b')
  await settled()
  lines[0]?.answerTwice(Object.assign(new Error('cannot be sent'), { code: '22P02' }))
  await t.rejects(bad as Promise<unknown>, { code: '22P02' })
  t.same(pipelines.usage(), { busy: 1, idle: 0, waiting: 0 })
  lines[0]?.answer()
  await good
})

t.test('a server that does not take a connection is not there, which is not the same as too much to do', async t => {
  const { clock, send } = createLines({ connect: () => new Promise(() => undefined) })
  const [waiting] = send('a')
  clock.time += 101
  await t.rejects(waiting as Promise<unknown>, { message: 'timeout expired' })
})

t.test('where no connection is to be had, all that wait are told, and the next one tries again', async t => {
  const { lines, send } = createLines({}, number => number <= 2)
  for (const refused of send('a', 'b')) await t.rejects(refused, { code: 'ECONNREFUSED' })
  const [next] = send('c')
  await until(() => lines.length === 1)
  lines[0]?.answer()
  await next
})

t.test('a new connection is waited for where the others are held up, unless it is refused', async t => {
  let isFull = false
  const { lines, clock, send } = createLines({}, () => isFull)
  send('a')
  await settled()
  clock.time += 50
  isFull = true
  send('b')
  t.same(sentOn(lines), ['a'])
  await settled()
  t.same(sentOn(lines), ['ab'])
  isFull = false
  clock.time += 50
  send('c')
  await settled()
  t.same(sentOn(lines), ['abc'], 'and is not tried again at once')
  clock.time += 500
  send('d')
  await settled()
  t.same(sentOn(lines), ['abc', 'd'])
})

t.test('a connection that is refused beside others is no failure', async t => {
  const { lines, send } = createLines({}, number => number === 1)
  const both = send('a', 'b')
  await until(() => lines[0]?.sent.length === 2)
  lines[0]?.answer()
  lines[0]?.answer()
  t.equal((await Promise.all(both)).length, 2)
})

t.test('what finds no room, and what is not answered, is told so in time', async t => {
  const { lines, clock, send } = createLines({ connections: 1, depth: 1 })
  const [sent, waiting] = send('a', 'b')
  await settled()
  clock.time += 101
  await t.rejects(waiting as Promise<unknown>, { message: 'timeout exceeded when trying to connect' })
  clock.time += 900
  await t.rejects(sent as Promise<unknown>, { message: 'Query read timeout' })
  t.match(lines[0]?.destroyedBy, { message: 'Query read timeout' }, 'a connection that says nothing is cut')
})

t.test('what waits behind slow ones is told in time, and the connection that answers them goes on', async t => {
  const { lines, clock, send, query } = createLines({ connections: 1 })
  const [slow, behind] = send('a', 'b')
  await settled()
  clock.time += 600
  lines[0]?.answer()
  await slow
  clock.time += 600
  await t.rejects(behind as Promise<unknown>, { message: 'Query read timeout' })
  t.equal(lines[0]?.destroyedBy, undefined)
  const next = query('c')
  lines[0]?.answer()
  lines[0]?.answer()
  await next
})

t.test('connections that are old or idle end, and none is left', async t => {
  const { lines, clock, query, pipelines } = createLines({ connections: 1 })
  const first = query('a')
  await settled()
  lines[0]?.answer()
  await first
  clock.time += 5_001
  await until(() => lines[0]?.isEnded === true)
  t.same(pipelines.usage(), { busy: 0, idle: 0, waiting: 0 })
  const second = query('b')
  await until(() => lines.length === 2)
  clock.time += 700
  lines[1]?.answer()
  await second
  for (let age = 0; age < 10_000; age += 500) {
    clock.time += 500
    const next = query('c')
    await settled()
    lines.at(-1)?.answer()
    await next
  }
  t.equal(lines[1]?.isEnded, true, 'also where it is never idle')
})

t.test('closing waits for what is on its way, and for nothing else', async t => {
  const unused = createLines()
  await unused.pipelines.close()
  t.equal(unused.lines.length, 0)

  const { lines, send, query, pipelines } = createLines({ connections: 1, depth: 1 })
  const [last, waiting] = send('a', 'b')
  await settled()
  const closed = pipelines.close()
  await t.rejects(waiting as Promise<unknown>, { message: /are closed/ })
  await t.rejects(query('c'), { message: /are closed/ })
  t.equal(lines[0]?.isEnded, false)
  lines[0]?.answer()
  await last
  await closed
  t.equal(lines[0]?.isEnded, true)
  t.same(sentOn(lines), ['a'])
})
