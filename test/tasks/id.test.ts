/** The ids that the service generates. */
import t from 'tap'
import { validate, version } from 'uuid'
import { createId } from '../../src/tasks/id.ts'

t.test('ids are distinct version 7 UUIDs in the order of their creation', async t => {
  const before = Date.now()
  const ids = Array.from({ length: 1000 }, () => createId())
  for (const id of ids) t.ok(validate(id) && version(id) === 7, id)
  t.same(ids, ids.toSorted())
  t.equal(new Set(ids).size, ids.length)
  const time = Number.parseInt((ids[0] as string).replace('-', '').slice(0, 12), 16)
  t.ok(time >= before && time <= Date.now())
})

t.test('ids stay in order when the clock is set back', async t => {
  const now = Date.now() + 60_000
  const ids = [createId(now), createId(now - 30_000), createId(now), createId(now + 1)]
  t.same(ids, ids.toSorted())
})
