/** listChanges returns every change once, in the order of revisions. */
import t from 'tap'
import { parse } from 'yaml'
import { invalid, type User } from '../../scripts/support/client.ts'
import { contract } from '../../scripts/support/contract.ts'
import { startService, type Task } from '../../scripts/support/service.ts'
import * as tokens from '../../src/changes/token.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

type ChangePage = Awaited<ReturnType<User['listChanges']>>

/** All changes since a token, and the token after them. */
async function changesSince(
  user: User,
  since?: string,
  limit = 100,
): Promise<Pick<ChangePage, 'data' | 'next_sync_token'>> {
  const data: ChangePage['data'] = []
  let token = since
  for (;;) {
    const page = await user.listChanges({ query: { limit, ...(token === undefined ? {} : { sync_token: token }) } })
    data.push(...page.data)
    token = page.next_sync_token
    if (!page.has_more) return { data, next_sync_token: token }
  }
}

/** Creates three tasks one after another. */
const createThree = async (user: User) =>
  [
    await user.createTask({ title: 'One' }),
    await user.createTask({ title: 'Two' }),
    await user.createTask({ title: 'Three' }),
  ] as const

const changed = (task: Task) => ({ kind: 'task', id: task.id, revision: task.revision, deleted: false, task })
const deleted = (task: Task, revision: number) => ({ kind: 'task', id: task.id, revision, deleted: true, task: null })

t.test('without a token, listChanges returns all live tasks and a token', async t => {
  const alice = await service.newUser()
  const [one, two, three] = await createThree(alice)
  await alice.deleteTask(two.id)
  const { data, next_sync_token: next } = await changesSince(alice)
  t.same(data, [changed(one), changed(three)], 'in the order of revisions')
  t.same(await changesSince(alice, next), { data: [], next_sync_token: next }, 'nothing has changed since')
})

t.test('the token of a user without tasks returns the first task once there is one', async t => {
  const alice = await service.newUser()
  const { data, next_sync_token: next } = await changesSince(alice)
  t.same(data, [])
  const task = await alice.createTask({ title: 'T' })
  t.same((await changesSince(alice, next)).data, [changed(task)])
})

t.test('listChanges returns each changed task once, as it is now, including deletions and restores', async t => {
  const alice = await service.newUser()
  const [one, two, three] = await createThree(alice)
  const { next_sync_token: next } = await changesSince(alice)
  await alice.updateTask(one.id, { title: 'Changed' })
  await alice.setTaskCompletion(one.id)
  await alice.deleteTask(two.id)
  const four = await alice.createTask({ title: 'Four' })
  const after = await changesSince(alice, next)
  t.same(after.data, [changed(await alice.getTask(one.id)), deleted(two, 6), changed(four)])
  t.same(await changesSince(alice, next), after, 'a repeated token returns the same changes')

  const restored = await alice.restoreTask(two.id)
  await alice.deleteTask(three.id)
  t.same((await changesSince(alice, after.next_sync_token)).data, [changed(restored), deleted(three, 9)])
})

t.test('a write that changes nothing or fails is not a change', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  const { next_sync_token: next } = await changesSince(alice)
  await alice.updateTask(id, {})
  await alice.setTaskCompletion(id, { completed: false })
  await alice.send.updateTask(id, { title: 'Changed' }, { header: { 'If-Match': '"7"' } })
  t.same(await alice.listChanges({ query: { sync_token: next } }), { data: [], next_sync_token: next, has_more: false })
})

t.test('pages of any size contain the same changes', async t => {
  const alice = await service.newUser()
  const tasks: Task[] = []
  for (let index = 0; index < 7; index += 1) tasks.push(await alice.createTask({ title: 'T' }))
  const { data, next_sync_token: next } = await changesSince(alice)
  for (const limit of [1, 2, 3, 6, 7, 8, 500]) {
    t.same(
      await changesSince(alice, undefined, limit),
      { data, next_sync_token: next },
      `without a token, limit ${limit}`,
    )
  }
  for (const { id } of tasks.slice(2, 5)) await alice.deleteTask(id)
  for (const limit of [1, 2, 3, 4]) {
    t.equal((await changesSince(alice, next, limit)).data.length, 3, `limit ${limit}`)
  }
  t.equal((await alice.listChanges()).data.length, 4)
})

t.test('a deletion between two pages is on a later page', async t => {
  const alice = await service.newUser()
  const [one, two, three] = await createThree(alice)
  const four = await alice.createTask({ title: 'Four' })
  await alice.deleteTask(four.id)
  const first = await alice.listChanges({ query: { limit: 1 } })
  t.same([first.data, first.has_more], [[changed(one)], true])
  await alice.deleteTask(one.id)
  await alice.deleteTask(three.id)
  const rest = await changesSince(alice, first.next_sync_token, 1)
  t.same(rest.data, [changed(two), deleted(one, 6), deleted(three, 7)], 'earlier deletions are left out')
})

t.test('limit is from 1 to 500, 50 by default; any other limit returns 400', async t => {
  const alice = await service.newUser()
  await Promise.all(Array.from({ length: 51 }, () => alice.createTask({ title: 'T' })))
  t.match(await alice.listChanges(), { data: { length: 50 }, has_more: true })
  t.match(await alice.listChanges({ query: { limit: 500 } }), { data: { length: 51 }, has_more: false })
  for (const limit of [0, 501]) t.equal((await alice.send.listChanges({ query: { limit } })).status, 400)
})

t.test('a malformed or forged token, or another user’s, returns 400', async t => {
  const [alice, bob] = [await service.newUser(), await service.newUser()]
  await alice.createTask({ title: 'T' })
  const { next_sync_token: next } = await changesSince(alice)
  const other = (await changesSince(bob)).next_sync_token
  const mangled = `${next.slice(0, 10)}${next[10] === 'A' ? 'B' : 'A'}${next.slice(11)}`
  const forged = tokens.encode(alice.id, { position: 2 ** 60, since: 2 ** 60, epoch: 0 })
  for (const since of ['', 'x', '1', next.slice(1), `${next}A`, mangled, other, forged, `${'A'.repeat(29)}=`]) {
    const response = await alice.send.listChanges({ query: { sync_token: invalid(since) } })
    t.match(
      response,
      { status: 400, body: { code: 'validation_failed', errors: [{ in: 'query', name: 'sync_token' }] } },
      since,
    )
  }
  t.equal((await alice.send.listChanges({ query: { sync_token: next } })).status, 200)
})

t.test('a token newer than the backup that the data were restored from returns 410', async t => {
  const alice = await service.newUser()
  await alice.createTask({ title: 'T' })
  const { next_sync_token: next } = await changesSince(alice)
  const tasks = [await alice.createTask({ title: 'T' }), await alice.createTask({ title: 'T' })]
  const lost = (await changesSince(alice)).next_sync_token
  for (const { id } of tasks) {
    await kysely.deleteFrom('task').where('user_id', '=', alice.id).where('id', '=', id).execute()
  }
  await kysely.updateTable('user_clock').set({ revision: 1 }).where('user_id', '=', alice.id).execute()
  t.match(await alice.send.listChanges({ query: { sync_token: lost } }), {
    status: 410,
    body: { code: 'sync_token_expired' },
  })
  t.equal((await alice.send.listChanges({ query: { sync_token: next } })).status, 200)
})

t.test('the tokens in the examples of the contract can be decoded', async t => {
  const { paths } = parse(contract.yaml.toString())
  const { parameters, responses } = paths['/api/{user_id}/changes'].get
  const { examples } = responses['200'].content['application/json']
  const shown = [
    parameters[0].examples.earlier.value,
    examples.some.value.next_sync_token,
    examples.none.value.next_sync_token,
  ]
  for (const token of shown) t.ok(tokens.decode('alice', token))
})

t.test('a client that polls beside twelve concurrent writers misses no change', async t => {
  const alice = await service.newUser()
  const writes = 40
  let writing = 12
  const write = async (writer: number) => {
    const own: Task[] = []
    for (let count = 0; count < writes; count += 1) {
      const task = own[count % 5]
      if (task === undefined) own.push(await alice.createTask({ title: `${writer}` }))
      else if (count % 7 === 0) await alice.send.deleteTask(task.id)
      else if (count % 7 === 1) await alice.send.restoreTask(task.id)
      else await alice.send.updateTask(task.id, { title: `${writer} ${count}` })
    }
    writing -= 1
  }
  const known = new Map<string, Task>()
  const poll = async () => {
    let token: string | undefined
    let last = 0
    for (;;) {
      const isLast = writing === 0
      const { data, next_sync_token: next } = await changesSince(alice, token, 7)
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
  const { data: live } = await alice.listTasks({ query: { limit: 200 } })
  t.ok(live.length > 12)
  const byId = (tasks: Task[]) => tasks.toSorted((a, b) => a.id.localeCompare(b.id))
  t.same(byId([...known.values()]), byId(live))
})
