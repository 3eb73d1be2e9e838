/** Whose fault a failure is: the service's own are 500 and logged, a caller's are neither. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { sql } from 'kysely'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { ownDatabase, randomUser, silent, startService } from '../../scripts/support/service.ts'

t.test('a bug is 500, tells the caller nothing, and the log everything', async t => {
  const lines: Record<string, any>[] = []
  const logger = Object.assign(Object.create(silent), { error: (line: Record<string, any>) => lines.push(line) })
  await using service = await startService({ config: ownDatabase, logger })
  const { call, database } = service
  await sql`drop table task`.execute(database.kysely)
  for (const operation of operations.filter(({ path }) => path.startsWith('/api/'))) {
    const { status, body, text } = await call(...validRequest(operation))
    t.equal(status, 500, operation.operationId)
    t.equal(body.code, 'internal_error')
    t.notMatch(text, /relation|select|does not exist/)
    const logged = lines.find(line => line.err !== undefined)
    t.match(logged?.err.stack, /relation "task" does not exist/)
    t.equal(`/requests/${logged?.request_id}`, body.instance)
    lines.length = 0
  }
})

t.test('a caller who hangs up in the middle of a body is no failure of the service', async t => {
  const errors: unknown[] = []
  const logger = Object.assign(Object.create(silent), { error: (...line: unknown[]) => errors.push(line) })
  await using service = await startService({ logger })
  const user = randomUser()
  const socket = connect(service.port, '127.0.0.1')
  await once(socket, 'connect')
  const path = `/api/${user}/tasks`
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"title`,
  )
  // Once this is answered the server has read the beginning of the other request.
  await service.call('GET', '/health/live')
  socket.resetAndDestroy()
  await once(socket, 'close')
  t.same((await service.call('GET', path)).body.data, [])
  t.same(errors, [])
})
