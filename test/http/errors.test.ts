/** Failures of the service return 500 and are logged; failures of clients are neither. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { sql } from 'kysely'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { ownDatabase, silent, startService } from '../../scripts/support/service.ts'
import { jsonHeaders, request } from '../support/bytes.ts'

t.test('a bug returns 500 without any details, which are in the log only', async t => {
  const lines: { request_id?: string; err?: Error }[] = []
  const logger = Object.assign(Object.create(silent), { error: (line: (typeof lines)[number]) => lines.push(line) })
  await using service = await startService({ config: ownDatabase, logger })
  const { call, database } = service
  await sql`drop table task`.execute(database.kysely)
  for (const operation of operations.filter(({ path }) => path.startsWith('/api/'))) {
    const { status, body, text } = await call(...validRequest(operation))
    t.equal(status, 500, operation.operationId)
    t.equal(body.code, 'internal_error')
    t.notMatch(text, /relation|select|does not exist/)
    const logged = lines.find(line => line.err !== undefined)
    t.match(logged?.err?.stack, /relation "task" does not exist/)
    t.equal(`/requests/${logged?.request_id}`, body.instance)
    lines.length = 0
  }
})

t.test('a client that disconnects in the middle of a body writes nothing and is not logged as an error', async t => {
  const errors: unknown[] = []
  const logger = Object.assign(Object.create(silent), { error: (...line: unknown[]) => errors.push(line) })
  await using service = await startService({ logger })
  const user = await service.newUser()
  const socket = connect(service.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(request('POST', user.path('createTask'), jsonHeaders(13), '{"title'))
  // Once this gets a response the server has read the beginning of the other request.
  await user.getLiveness()
  socket.resetAndDestroy()
  await once(socket, 'close')
  t.same((await user.listTasks()).data, [])
  t.same(errors, [])
})
