/** Metrics for Prometheus: what they count, where they are served, and how a scrape fails. */
import { pino } from 'pino'
import t from 'tap'
import { environment, runToExit, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client, ownDatabase } from '../../scripts/support/service.ts'
import { createMetrics } from '../../src/process/metrics.ts'
import { exceedPipelining, lockedDatabase, metricsUrl } from '../support/metrics.ts'
import { occupyPort } from '../support/ports.ts'
import { createProxy } from '../support/proxied.ts'

t.test('metrics of requests, process and database are served on a port of their own', async t => {
  await using config = await lockedDatabase()
  await using service = await startProcess({ ...environment(config), METRICS_PORT: '0' })
  const { origin } = service
  const url = await metricsUrl(service)
  await untilHealthy(origin)
  const { newUser, call, send } = client(origin)
  const alice = await newUser()
  const { id } = await alice.createTask({ title: 'A task' })
  t.equal((await alice.send.listTasks({ query: { limit: 0 } })).status, 400)
  t.equal((await alice.send.deleteTask(id)).status, 503)
  await call('HEAD', '/health/live')
  await fetch(`${origin}/problems/forbidden?x=1`)
  await call('POST', '/health')
  await call('PURGE', '/health')
  await call('GET', '/nowhere')
  await call('GET', '/docs/elsewhere')
  await call('GET', '/%')
  await send('GET', '/unparsed', 'nonsense\r\n\r\n')
  await send('CONNECT', 'x:1', 'CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n')
  t.equal(await exceedPipelining(service), '')

  const response = await fetch(url)
  t.match(response.headers.get('content-type'), /^text\/plain/)
  let text = await response.text()
  // The purge runs beside the requests.
  while (!text.includes('job_runs_total{job_name="purge"')) text = await (await fetch(url)).text()
  for (const [method, status, route, operation] of [
    ['POST', 201, '/api/:user_id/tasks', 'createTask'],
    ['GET', 400, '/api/:user_id/tasks', 'listTasks'],
    ['DELETE', 503, '/api/:user_id/tasks/:id', 'deleteTask'],
    ['HEAD', 200, '/health/live', 'getLiveness'],
    // Without an operation: a page, a method that its path does not have, and one that has no name in the metrics.
    ['GET', 200, '/problems/forbidden', ''],
    ['POST', 405, '/health', ''],
    ['_OTHER', 405, '/health', ''],
    // Without a route: an unknown path, a path that cannot be decoded, a proxy request and bytes that are not HTTP.
    ['GET', 404, '', ''],
    ['GET', 400, '', ''],
    ['CONNECT', 405, '', ''],
    ['_OTHER', 400, '', ''],
  ] as const) {
    const labels = [
      `http_request_method="${method}",http_response_status_code="${status}"`,
      ...(route ? [`http_route="${route}"`] : []),
      ...(operation ? [`operation_id="${operation}"`] : []),
    ]
    const count = status === 404 ? 2 : 1
    t.match(text, `http_server_request_duration_seconds_count{${labels}} ${count}\n`, `${method} ${status} ${route}`)
  }
  t.match(text, 'http_connections_closed_total{reason="unanswered"} 1')
  t.match(text, 'database_errors_total{code="55P03"} 1')
  t.match(text, 'job_runs_total{job_name="purge",outcome="succeeded"} 1\n')
  t.match(text, 'job_duration_seconds_count{job_name="purge"} 1\n')
  t.match(text, /^nodejs_eventloop_lag_seconds /m)
  t.match(text, /^process_resident_memory_bytes /m)
  t.notMatch(text, alice.id, 'no metric names a user')

  t.equal((await fetch(url.replace('/metrics', '/'))).status, 404)
  t.equal((await fetch(`${origin}/metrics`)).status, 404, 'the public port does not serve metrics')
})

t.test('metrics count the connections to PostgreSQL by pool and state', async t => {
  await using proxy = await createProxy()
  await proxy.listen()
  await using service = await startProcess({
    DATABASE_URL: proxy.url,
    DATABASE_POOL_SIZE: '3',
    PURGE_INTERVAL: '0',
    METRICS_PORT: '0',
  })
  await untilHealthy(service.origin)
  const url = await metricsUrl(service)
  let text = ''
  // A job runs beside the requests: it takes a lease and reads, one statement after another.
  while (!text.includes('job_runs_total{')) text = await (await fetch(url)).text()
  for (const [pool, idle] of [
    ['reads', 1],
    ['writes', 1],
    ['transactions', 0],
  ] as const) {
    const name = `db_client_connection_pool_name="${pool}"`
    t.match(text, `db_client_connection_count{${name},db_client_connection_state="used"} 0\n`)
    t.match(text, `db_client_connection_count{${name},db_client_connection_state="idle"} ${idle}\n`)
    t.match(text, `db_client_connection_max{${name}} 1\n`)
    t.match(text, `db_client_connection_pending_requests{${name}} 0\n`)
  }
})

t.test('a failed scrape returns 500 and logs one line, and the next one may succeed', async t => {
  const log: unknown[] = []
  const logger = pino({}, { write: line => log.push(JSON.parse(line)) })
  let fails = true
  const poolUsage = () => {
    if (fails) throw new Error('on purpose')
    return { reads: { busy: 1, idle: 0, waiting: 0, max: 2 } }
  }
  const url = await createMetrics(poolUsage, logger).listen('127.0.0.1', 0)
  // A connection that is kept alive would keep this process alive, too.
  const scrape = () => fetch(url, { headers: { connection: 'close' } })
  const failed = await scrape()
  t.equal(failed.status, 500)
  t.equal(await failed.text(), '', 'the cause is only logged')
  t.match(log, [{ level: 50, msg: 'collecting metrics failed', err: { message: 'on purpose' } }])
  fails = false
  const succeeded = await scrape()
  t.equal(succeeded.status, 200)
  t.match(await succeeded.text(), '{db_client_connection_pool_name="reads",db_client_connection_state="used"} 1\n')
  t.equal(log.length, 1)
})

t.test('a METRICS_PORT in use ends the start with one sentence', async t => {
  await using occupied = await occupyPort()
  const { port } = occupied
  await using config = await ownDatabase()
  const { code, stderr } = await runToExit({ ...environment(config), METRICS_PORT: `${port}` })
  t.equal(code, 1)
  t.equal(stderr, `Port ${port} on 127.0.0.1 is in use. Stop what uses it, or set METRICS_PORT to another one.\n`)
})

t.test('METRICS_HOST may be an IPv6 address', async t => {
  await using config = await ownDatabase()
  await using service = await startProcess({ ...environment(config), METRICS_PORT: '0', METRICS_HOST: '::1' })
  t.match(await metricsUrl(service), /^http:\/\/\[::1\]:\d+\/metrics$/)
})
