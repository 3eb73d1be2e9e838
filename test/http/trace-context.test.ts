/** The trace of a request (W3C Trace Context) is in what the service logs about it. */
import { sql } from 'kysely'
import t from 'tap'
import { ownDatabase, startService } from '../../scripts/support/service.ts'
import { createLog } from '../support/log.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'
const VALID = `00-${TRACE}-${PARENT}-01`
const fields = { trace_id: TRACE, parent_span_id: PARENT }

t.test('the log line of a request has the trace of a valid traceparent and ignores an invalid one', async t => {
  const { log, line } = createLog()
  await using service = await startService({ logger: log('info') })
  const { call, send } = service
  const valid = [VALID, `00-${TRACE}-${PARENT}-00`, `cc-${TRACE}-${PARENT}-01`, `cc-${TRACE}-${PARENT}-01-later`]
  const invalid = [
    '',
    'nonsense',
    TRACE,
    VALID.toUpperCase(),
    `${VALID}-more`,
    `${VALID}, ${VALID}`,
    `cc-${TRACE}-${PARENT}-01.later`,
    `ff-${TRACE}-${PARENT}-01`,
    `0-${TRACE}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.slice(1)}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-1`,
    `00-${TRACE}-${PARENT}`,
  ]
  // The first line says where the service listens.
  let index = 1
  for (const traceparent of valid) {
    t.equal((await call('GET', '/health/live', undefined, { traceparent })).status, 200)
    t.match(await line(index++), { msg: 'request', ...fields }, traceparent)
  }
  for (const traceparent of invalid) {
    const { status, headers } = await call('GET', '/health/live', undefined, { traceparent })
    t.equal(status, 200, traceparent)
    t.equal(headers.get('traceparent'), null)
    t.notMatch(JSON.stringify(await line(index++)), /trace|span/, traceparent)
  }
  const headers = `Host: x:1\r\ntraceparent: ${VALID}\r\n`
  await send('CONNECT', 'x:1', `CONNECT x:1 HTTP/1.1\r\n${headers}\r\n`)
  t.match(await line(index++), { msg: 'request refused', ...fields })
  const twice = `Host: localhost\r\nConnection: close\r\ntraceparent: ${VALID}\r\ntraceparent: ${VALID}\r\n`
  t.equal((await send('GET', '/health/live', `GET /health/live HTTP/1.1\r\n${twice}\r\n`)).status, 200)
  t.notMatch(JSON.stringify(await line(index++)), /trace|span/, 'a repeated header')
})

t.test('the log of a problem has the trace', async t => {
  const { log, line } = createLog()
  await using service = await startService({ config: ownDatabase, logger: log('info') })
  const { database, newUser } = service
  const { send } = await newUser({ header: { traceparent: VALID } })
  await send.listTasks({ query: { limit: 0 } })
  t.match(await line(1), { msg: 'request', status: 400, problem: 'validation_failed', ...fields })
  await sql`drop table task`.execute(database.kysely)
  t.equal((await send.listTasks()).status as number, 500)
  t.match(await line(2), { msg: 'unexpected error', err: { message: String }, ...fields })
  t.match(await line(3), { msg: 'request', status: 500, problem: 'internal_error', ...fields })
})
