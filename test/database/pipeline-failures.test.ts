/** Errors, refused connections and timeouts of statements that share connections. */
import t from 'tap'
import { createLines, sentOn, until, untilSent } from '../support/lines.ts'

// The timers of the pipelines do not keep the process alive.
const alive = setInterval(() => undefined, 1000)
t.teardown(() => clearInterval(alive))

t.test('an error fails one statement, unless it breaks the connection', async t => {
  const { lines, send, query, pipelines } = createLines({ connections: 1 })
  const [bad, good] = send('a', 'b')
  await untilSent(lines, 'ab')
  lines[0]?.answer(Object.assign(new Error('no such column'), { code: '42703' }))
  await t.rejects(bad as Promise<unknown>, { code: '42703' })
  lines[0]?.answer()
  await good
  const [readOnly, behind] = send('c', 'd')
  lines[0]?.answer(Object.assign(new Error('read-only transaction'), { code: '25006' }))
  await t.rejects(readOnly as Promise<unknown>, { code: '25006' })
  const next = query('e')
  t.equal(lines[0]?.isEnded, false, 'the connection ends after its last statement')
  lines[0]?.answer()
  await behind
  t.equal(lines[0]?.isEnded, true)
  await untilSent(lines, 'abcd', 'e')
  t.same(sentOn(lines), ['abcd', 'e'], 'another connection replaces it')
  lines[1]?.lose()
  await t.rejects(next, { message: 'Connection terminated unexpectedly' })
  t.same(pipelines.usage(), { busy: 0, idle: 0, waiting: 0 })
})

t.test('an error reported twice fails only its own statement', async t => {
  const { lines, send, pipelines } = createLines({ connections: 1 })
  const [bad, good] = send('a', 'b')
  await untilSent(lines, 'ab')
  lines[0]?.answerTwice(Object.assign(new Error('cannot be sent'), { code: '22P02' }))
  await t.rejects(bad as Promise<unknown>, { code: '22P02' })
  t.same(pipelines.usage(), { busy: 1, idle: 0, waiting: 0 })
  lines[0]?.answer()
  await good
})

t.test('a connection attempt without a response fails as unavailable, not as overloaded', async t => {
  const { clock, send } = createLines({ connect: () => new Promise(() => undefined) })
  const [waiting] = send('a')
  clock.time += 101
  await t.rejects(waiting as Promise<unknown>, { message: 'timeout expired' })
})

t.test('if no connection can be opened, all waiting statements fail, and the next statement tries again', async t => {
  const { lines, send } = createLines({}, number => number <= 2)
  for (const refused of send('a', 'b')) await t.rejects(refused, { code: 'ECONNREFUSED' })
  const [next] = send('c')
  await until(() => lines.length === 1)
  lines[0]?.answer()
  await next
})

t.test('a refused connection fails no statement if there is another connection', async t => {
  const { lines, send } = createLines({}, number => number === 1)
  const both = send('a', 'b')
  await until(() => lines[0]?.sent.length === 2)
  lines[0]?.answer()
  lines[0]?.answer()
  t.equal((await Promise.all(both)).length, 2)
})

t.test('a statement that is never sent, or never answered, fails after its timeout', async t => {
  const { lines, clock, send } = createLines({ connections: 1, depth: 1 })
  const [sent, waiting] = send('a', 'b')
  await untilSent(lines, 'a')
  clock.time += 101
  await t.rejects(waiting as Promise<unknown>, { message: 'timeout exceeded when trying to connect' })
  clock.time += 900
  await t.rejects(sent as Promise<unknown>, { message: 'Query read timeout' })
  t.match(lines[0]?.destroyedBy, { message: 'Query read timeout' }, 'a silent connection is destroyed')
})

t.test('a statement behind slow ones fails after its timeout, and the connection stays in use', async t => {
  const { lines, clock, send, query } = createLines({ connections: 1 })
  const [slow, behind] = send('a', 'b')
  await untilSent(lines, 'ab')
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
