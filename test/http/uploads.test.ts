/** The limit on large request bodies that one user may have in flight. */
import { connect } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { startService } from '../../scripts/support/service.ts'
import { jsonHeaders, request } from '../support/bytes.ts'

t.test('a user with 32 unfinished batches gets 503 for the next one, and other users are served', async t => {
  await using service = await startService()
  const [user, other] = [await service.newUser(), await service.newUser()]
  using sockets = new DisposableStack()
  const open = () => sockets.adopt(connect(service.port, '127.0.0.1'), socket => socket.destroy())
  const uploads = Array.from({ length: 32 }, open)
  for (const socket of uploads) {
    socket.write(request('POST', user.path('batchTasks'), jsonHeaders(1_000_000), '{"items":['))
  }
  const batch = ({ send }: User) =>
    send.batchTasks({ items: [{ action: 'create', task: { title: 'T', completed: false } }] })
  const until = async (wanted: number) => {
    while ((await batch(user)).status !== wanted) await nextTurn()
  }
  await until(503)
  t.equal((await batch(other)).status, 200)
  for (const socket of uploads.slice(0, 2)) socket.destroy()
  await until(200)
})
