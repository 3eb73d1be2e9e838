/** listChanges: what a client has to learn, once, in order, and without gaps. */

import t from 'tap'
import { parse } from 'yaml'
import { contract } from '../../scripts/support/contract.ts'
import { randomUser, startService, type Task } from '../../scripts/support/service.ts'
import * as tokens from '../../src/changes/token.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create, database } = service

interface Change {
  id: string
  revision: number
  deleted: boolean
  task: Task | null
}

const pathOf = (task: Task) => `/api/${task.user_id}/tasks/${task.id}`

/** One answer. */
async function ask(user: string, query: Record<string, string | number> = {}) {
  const parameters = new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, `${value}`]),
  )
  return call('GET', `/api/${user}/changes?${parameters}`)
}

/** All changes since a token, and the token after them. */
async function changesSince(user: string, since?: string, limit = 100): Promise<{ data: Change[]; next: string }> {
  const data: Change[] = []
  let token = since
  for (;;) {
    const { body } = await ask(user, { limit, ...(token === undefined ? {} : { since: token }) })
    data.push(...body.data)
    token = body.next as string
    if (!body.has_more) return { data, next: token }
  }
}

const changed = (task: Task) => ({ id: task.id, revision: task.revision, deleted: false, task })
const deleted = (task: Task, revision: number) => ({ id: task.id, revision, deleted: true, task: null })

t.test('without a token it is a snapshot of the live tasks, and ends in one', async t => {
  const user = randomUser()
  const [one, two, three] = [await create(user), await create(user), await create(user)]
  await call('DELETE', pathOf(two))
  const { data, next } = await changesSince(user)
  t.same(data, [changed(one), changed(three)], 'in the order of revisions')
  t.same(await changesSince(user, next), { data: [], next }, 'nothing has changed since')
})

t.test('a user without tasks has no changes, until there are some', async t => {
  const user = randomUser()
  const { data, next } = await changesSince(user)
  t.same(data, [])
  const task = await create(user)
  t.same((await changesSince(user, next)).data, [changed(task)])
})

t.test('each task is told once, as it is now, deletions and restorations included', async t => {
  const user = randomUser()
  const [one, two, three] = [await create(user), await create(user), await create(user)]
  const { next } = await changesSince(user)
  await call('PATCH', pathOf(one), { title: 'Changed' })
  await call('PATCH', `${pathOf(one)}/complete`)
  await call('DELETE', pathOf(two))
  const four = await create(user)
  const after = await changesSince(user, next)
  const current = (await call('GET', pathOf(one))).body
  t.same(after.data, [changed(current), deleted(two, 6), changed(four)])
  t.same(await changesSince(user, next), after, 'repeating a token is harmless')

  const restored = (await call('POST', `${pathOf(two)}/restore`)).body
  await call('DELETE', pathOf(three))
  t.same((await changesSince(user, after.next)).data, [changed(restored), deleted(three, 9)])
})

t.test('what changes nothing is no change', async t => {
  const user = randomUser()
  const task = await create(user)
  const { next } = await changesSince(user)
  await call('PATCH', pathOf(task), {})
  await call('PATCH', `${pathOf(task)}/complete`, { completed: false })
  await call('PATCH', pathOf(task), { title: 'T' }, { 'if-match': '"7"' })
  t.same((await ask(user, { since: next })).body, { data: [], next, has_more: false })
})

t.test('pages of every size have the same changes', async t => {
  const user = randomUser()
  const tasks = []
  for (let index = 0; index < 7; index += 1) tasks.push(await create(user))
  const { data, next } = await changesSince(user)
  for (const limit of [1, 2, 3, 6, 7, 8, 500]) {
    t.same(await changesSince(user, undefined, limit), { data, next }, `a snapshot by ${limit}`)
  }
  for (const task of tasks.slice(2, 5)) await call('DELETE', pathOf(task))
  for (const limit of [1, 2, 3, 4]) t.equal((await changesSince(user, next, limit)).data.length, 3, `by ${limit}`)
  t.equal((await ask(user)).body.data.length, 4)
})

t.test('what is deleted while a snapshot is read is told', async t => {
  const user = randomUser()
  const [one, two, three] = [await create(user), await create(user), await create(user)]
  const four = await create(user)
  await call('DELETE', pathOf(four))
  const first = (await ask(user, { limit: 1 })).body
  t.same([first.data, first.has_more], [[changed(one)], true])
  await call('DELETE', pathOf(one))
  await call('DELETE', pathOf(three))
  const rest = await changesSince(user, first.next, 1)
  t.same(rest.data, [changed(two), deleted(one, 6), deleted(three, 7)], 'but not what was gone before')
})

t.test('limit is 100 unless told, and 500 at the most', async t => {
  const user = randomUser()
  await Promise.all(Array.from({ length: 101 }, () => create(user)))
  t.match((await ask(user)).body, { data: { length: 100 }, has_more: true })
  t.match((await ask(user, { limit: 500 })).body, { data: { length: 101 }, has_more: false })
  for (const limit of [0, 501]) t.equal((await ask(user, { limit })).status, 400)
})

t.test('a token that is none, or another user’s, is 400', async t => {
  const user = randomUser()
  await create(user)
  const { next } = await changesSince(user)
  const other = (await changesSince(randomUser())).next
  const mangled = `${next.slice(0, 10)}${next[10] === 'A' ? 'B' : 'A'}${next.slice(11)}`
  const forged = tokens.encode(user, { position: 2 ** 60, since: 2 ** 60, epoch: 0 })
  for (const since of ['', 'x', '1', next.slice(1), `${next}A`, mangled, other, forged, `${'A'.repeat(29)}=`]) {
    const { status, body } = await ask(user, { since })
    t.match([status, body], [400, { code: 'validation_failed', errors: [{ in: 'query', name: 'since' }] }], since)
  }
  t.equal((await ask(user, { since: next })).status, 200)
})

t.test('a token from after a backup that the data were restored from is 410', async t => {
  const user = randomUser()
  await create(user)
  const { next } = await changesSince(user)
  const tasks = [await create(user), await create(user)]
  const lost = (await changesSince(user)).next
  for (const { id } of tasks)
    await database.kysely.deleteFrom('task').where('user_id', '=', user).where('id', '=', id).execute()
  await database.kysely.updateTable('user_clock').set({ revision: 1 }).where('user_id', '=', user).execute()
  const { status, body } = await ask(user, { since: lost })
  t.match([status, body.code], [410, 'sync_token_expired'])
  t.equal((await ask(user, { since: next })).status, 200)
})

t.test('the examples of the contract are tokens', async t => {
  const { paths } = parse(contract.yaml.toString())
  const { parameters, responses } = paths['/api/{user_id}/changes'].get
  const { examples } = responses['200'].content['application/json']
  const shown = [parameters[0].examples.earlier.value, examples.some.value.next, examples.none.value.next]
  for (const token of shown) t.ok(tokens.decode('alice', token))
})

t.test('twelve writers at full speed, and a poller that misses nothing', async t => {
  const user = randomUser()
  const writes = 40
  let writing = 12
  const write = async (writer: number) => {
    const own: Task[] = []
    for (let count = 0; count < writes; count += 1) {
      const task = own[count % 5]
      if (task === undefined) own.push(await create(user, { title: `${writer}` }))
      else if (count % 7 === 0) await call('DELETE', pathOf(task))
      else if (count % 7 === 1) await call('POST', `${pathOf(task)}/restore`)
      else await call('PATCH', pathOf(task), { title: `${writer} ${count}` })
    }
    writing -= 1
  }
  const known = new Map<string, Task>()
  const poll = async () => {
    let token: string | undefined
    let last = 0
    for (;;) {
      const isLast = writing === 0
      const { data, next } = await changesSince(user, token, 7)
      for (const { id, revision, task } of data) {
        if (revision <= last) t.fail(`${revision} comes after ${last}`)
        last = revision
        if (task === null) known.delete(id)
        else known.set(id, task)
      }
      token = next
      if (isLast) return
    }
  }
  await Promise.all([poll(), ...Array.from({ length: 12 }, (_, writer) => write(writer))])
  const live = (await call('GET', `/api/${user}/tasks?limit=200`)).body.data as Task[]
  t.ok(live.length > 12)
  const byId = (tasks: Task[]) => tasks.toSorted((a, b) => a.id.localeCompare(b.id))
  t.same(byId([...known.values()]), byId(live))
})
