/** Which connection gets a statement, and when connections open and end. */
import t from 'tap'
import { createLines, request, sentOn, until, untilSent } from '../support/lines.ts'

// The timers of the pipelines do not keep the process alive.
const alive = setInterval(() => undefined, 1000)
t.teardown(() => clearInterval(alive))

t.test('a statement opens a connection, and another one while the first is busy', async t => {
  const { lines, query, pipelines } = createLines()
  t.same(pipelines.usage(), { busy: 0, idle: 0, waiting: 0 })
  const first = query('a')
  t.equal(pipelines.usage().waiting, 1)
  await untilSent(lines, 'a')
  lines[0]?.answer()
  t.same(await first, { rows: [] })
  const second = query('b')
  t.same(sentOn(lines), ['ab'], 'an idle connection is reused')
  query('c').catch(() => undefined)
  await untilSent(lines, 'abc', '')
  t.same(sentOn(lines), ['abc', ''], 'a statement does not wait for a connection that is being opened')
  query('d').catch(() => undefined)
  t.same(sentOn(lines), ['abc', 'd'])
  t.same(pipelines.usage(), { busy: 2, idle: 0, waiting: 0 })
  lines[0]?.answer()
  await second
})

t.test('the least loaded connection gets the next statement, up to its depth', async t => {
  const { lines, send, pipelines } = createLines()
  send('a', 'b')
  await untilSent(lines, 'ab', '')
  t.same(sentOn(lines), ['ab', ''])
  send('c', 'd', 'e', 'f', 'g', 'h')
  t.same(sentOn(lines), ['abe', 'cdf'])
  t.equal(pipelines.usage().waiting, 2)
  lines[1]?.answer()
  lines[1]?.answer()
  t.same(sentOn(lines), ['abe', 'cdfgh'], 'waiting statements are sent in their order')
})

t.test('a statement is sent in the context of its own request', async t => {
  const { lines, query } = createLines({ connections: 1, depth: 1 })
  const texts = ['a', 'b', 'c']
  const results = texts.map(text => request.run(text, () => query(text)))
  for (const text of texts) {
    await until(() => lines[0]?.sent.at(-1) === text)
    request.run('another', () => lines[0]?.answer())
  }
  await Promise.all(results)
  t.same(lines[0]?.requests, texts, 'although the connection, or the result of another, made room for it')
})

t.test('a connection that makes no progress is avoided', async t => {
  const { lines, clock, send } = createLines()
  const slow = send('a', 'b')
  await untilSent(lines, 'ab', '')
  send('c', 'd')
  clock.time += 50
  lines[1]?.answer()
  lines[1]?.answer()
  send('e', 'f', 'g', 'h')
  t.same(
    sentOn(lines),
    ['ab', 'cdefg'],
    'waiting for a connection that makes progress is better than queueing behind a slow statement',
  )
  clock.time += 100
  lines[0]?.answer()
  clock.time += 20
  send('i')
  t.same(sentOn(lines), ['abhi', 'cdefg'], 'if none makes progress, the one that did so last is used')
  lines[0]?.answer()
  await Promise.all(slow)
})

t.test('a statement waits for a new connection if the others are blocked, unless it is refused', async t => {
  let isFull = false
  const { lines, clock, send } = createLines({}, () => isFull)
  send('a')
  await untilSent(lines, 'a')
  clock.time += 50
  isFull = true
  send('b')
  t.same(sentOn(lines), ['a'])
  await untilSent(lines, 'ab')
  t.same(sentOn(lines), ['ab'])
  isFull = false
  clock.time += 50
  send('c')
  await untilSent(lines, 'abc')
  t.same(sentOn(lines), ['abc'], 'a refused connection is not tried again at once')
  clock.time += 500
  send('d')
  await untilSent(lines, 'abc', 'd')
  t.same(sentOn(lines), ['abc', 'd'])
})

t.test('idle and old connections end', async t => {
  const { lines, clock, query, pipelines } = createLines({ connections: 1 })
  const first = query('a')
  await untilSent(lines, 'a')
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
    const sent = sentOn(lines).join('').length
    const next = query('c')
    await until(() => sentOn(lines).join('').length > sent)
    lines.at(-1)?.answer()
    await next
  }
  t.equal(lines[1]?.isEnded, true, 'an old connection ends even if it is never idle')
})

t.test('closing waits for statements that were sent, and rejects the others', async t => {
  const unused = createLines()
  await unused.pipelines.close()
  t.equal(unused.lines.length, 0)

  const { lines, send, query, pipelines } = createLines({ connections: 1, depth: 1 })
  const [last, waiting] = send('a', 'b')
  await untilSent(lines, 'a')
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
