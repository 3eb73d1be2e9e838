/** The example client on two devices that edit dates, tags and the order of the same tasks offline. */
import t, { type Test } from 'tap'
import type { OfflineTasks } from '../../scripts/examples/offline-sync/tasks.ts'
import type { User } from '../../scripts/support/client.ts'
import { startService } from '../../scripts/support/service.ts'
import { assertSynchronized, createDevice, losingAnswers, titles } from './device.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { origin: url } = service

/** A user's phone and laptop, which both have the tasks A, B, C and D. */
async function createDevices() {
  const alice = await service.newUser()
  const [phone, laptop] = [await createDevice(url, alice.id), await createDevice(url, alice.id)]
  const [onPhone, onLaptop] = [await phone.open(), await laptop.open()]
  const ids: string[] = []
  for (const title of ['A', 'B', 'C', 'D']) ids.push(await onPhone.add(title))
  await onPhone.sync()
  await onLaptop.sync()
  const [a, b, c, d] = ids as [string, string, string, string]
  return {
    ...{ alice, phone, laptop, onPhone, onLaptop, a, b, c, d },
    async [Symbol.asyncDispose]() {
      await phone[Symbol.asyncDispose]()
      await laptop[Symbol.asyncDispose]()
    },
  }
}

/** Asserts that both devices have what the server has, once the first one has fetched the edits of the second. */
async function assertConverged(test: Pick<Test, 'same'>, [first, second]: OfflineTasks[], user: User): Promise<void> {
  await first?.sync()
  for (const tasks of [first, second]) {
    if (tasks !== undefined) await assertSynchronized(test, tasks, user)
  }
}

const order = (tasks: OfflineTasks) =>
  tasks
    .list()
    .map(({ title }) => title)
    .join('')

for (const isPhoneFirst of [true, false]) {
  const name = isPhoneFirst ? 'the phone' : 'the laptop'
  const inOrder = <Value>(phone: Value, laptop: Value): [Value, Value] =>
    isPhoneFirst ? [phone, laptop] : [laptop, phone]

  t.test(`different tags, moves, and the day and the time of one date all survive if ${name} syncs first`, async t => {
    await using devices = await createDevices()
    const { alice, onPhone, onLaptop, a, b, c, d } = devices
    await onPhone.update(a, { due: { date: '2026-11-24', time: '09:00', time_zone: 'Europe/Berlin' } })
    await onPhone.sync()
    await onLaptop.sync()

    await onPhone.addTag(a, 'errands')
    await onPhone.update(a, { due: { date: '2026-11-25' } })
    await onPhone.move(a, c)
    await onPhone.update(b, { start: { date: '2026-11-23' } })
    await onLaptop.addTag(a, 'home/garden')
    await onLaptop.update(a, { due: { time: '10:30' } })
    await onLaptop.move(d, null)
    await onLaptop.update(b, { priority: 'high' })
    t.same([order(onPhone), order(onLaptop)], ['BCAD', 'DABC'])

    devices.phone.network = losingAnswers()
    devices.laptop.network = losingAnswers()
    const [first, second] = inOrder(onPhone, onLaptop)
    await first.sync()
    await second.sync()
    await assertConverged(t, [first, second], alice)
    t.equal(order(first), 'DBCA')
    t.match(await alice.getTask(a), {
      tags: ['errands', 'home/garden'],
      due: { date: '2026-11-25', time: '10:30', time_zone: 'Europe/Berlin', at: '2026-11-25T09:30:00.000Z' },
    })
    t.match(await alice.getTask(b), { start: { date: '2026-11-23', time: null }, priority: 'high' })
  })

  t.test(`of a tag that one device adds and the other removes, the last write wins: ${name} syncs first`, async t => {
    await using devices = await createDevices()
    const { alice, onPhone, onLaptop, a } = devices
    await onPhone.addTag(a, 'errands')
    await onLaptop.removeTag(a, 'errands')
    const [first, second] = inOrder(onPhone, onLaptop)
    await first.sync()
    await second.sync()
    await assertConverged(t, [first, second], alice)
    t.same((await alice.getTask(a)).tags, isPhoneFirst ? [] : ['errands'])
  })

  t.test(`two tasks moved to the same place are both there if ${name} syncs first`, async t => {
    await using devices = await createDevices()
    const { alice, onPhone, onLaptop, a, c, d } = devices
    await onPhone.move(d, a)
    await onLaptop.move(c, a)
    const [first, second] = inOrder(onPhone, onLaptop)
    await first.sync()
    await second.sync()
    await assertConverged(t, [first, second], alice)
    t.match(order(first), /^A(CD|DC)B$/)
  })

  t.test(`an edit elsewhere wins over a deletion here that follows a tag, also if ${name} tags it`, async t => {
    await using devices = await createDevices()
    const { alice, onPhone, onLaptop, a, b } = devices
    const [editing, deleting] = inOrder(onPhone, onLaptop)
    await editing.addTag(a, 'wanted')
    for (const id of [a, b]) {
      await deleting.addTag(id, 'old')
      await deleting.remove(id)
    }
    await editing.sync()
    await deleting.sync()
    await assertConverged(t, [editing, deleting], alice)
    t.same(titles(editing.list()), ['A', 'C', 'D'])
    t.same((await alice.getTask(a)).tags, ['old', 'wanted'])
  })
}

t.test('an edit elsewhere wins over a deletion here, also if it arrives after the deletion', async t => {
  await using devices = await createDevices()
  const { alice, phone, onPhone, a } = devices
  phone.network = async request => {
    await alice.updateTask(a, { title: 'Still wanted' })
    const response = await fetch(request)
    await onPhone.addTag(a, 'old')
    await onPhone.remove(a)
    return response
  }
  await onPhone.sync()
  t.equal(onPhone.pending(), 2)
  phone.network = fetch
  await onPhone.sync()
  t.match(await alice.getTask(a), { title: 'Still wanted', tags: ['old'] })
  await assertSynchronized(t, onPhone, alice)
})

t.test('after a crash, queued edits are sent once, with the keys that they were queued with', async t => {
  await using devices = await createDevices()
  const { alice, phone, onPhone, a, b, d } = devices
  const { revision } = await alice.getTask(d)
  await onPhone.addTag(a, 'errands')
  await onPhone.removeTag(b, 'none')
  await onPhone.update(a, { due: { date: '2026-11-25' } })
  await onPhone.move(a, null)
  const keys: unknown[] = []
  let executed = 0
  // One attempt reaches the server; no attempt gets a response before the program ends.
  const crash = (count: number) =>
    new Promise<void>(resolve => {
      phone.network = async request => {
        keys.push(request.headers.get('idempotency-key'))
        if (executed < count) {
          executed += 1
          await fetch(request)
        }
        resolve()
        return new Promise(() => {})
      }
    })
  for (const count of [0, 1]) {
    const crashed = crash(count)
    const tasks = await phone.open()
    void tasks.sync()
    await crashed
  }
  phone.network = request => {
    keys.push(request.headers.get('idempotency-key'))
    return fetch(request)
  }
  const tasks = await phone.open()
  t.equal(tasks.pending(), 4)
  t.equal(order(tasks), 'ABCD')
  await tasks.sync()
  t.equal(new Set(keys.slice(0, 3)).size, 1, 'the first write has one key')
  t.equal(new Set(keys.filter(key => key !== null)).size, 4)
  await assertSynchronized(t, tasks, alice)
  t.match(await alice.getTask(a), {
    tags: ['errands'],
    due: { date: '2026-11-25', time: null },
    revision: revision + 3,
  })
})

t.test('the time of a date that is cleared elsewhere is refused, and later edits are sent', async t => {
  await using devices = await createDevices()
  const { alice, onPhone, onLaptop, a } = devices
  await onPhone.update(a, { due: { date: '2026-11-25' } })
  await onPhone.sync()
  await onLaptop.sync()
  await onPhone.update(a, { due: null })
  await onLaptop.update(a, { due: { time: '09:00' } })
  await onLaptop.update(a, { priority: 'urgent' })
  t.match(onLaptop.list()[0], { due: { date: '2026-11-25', time: '09:00' } })
  await onPhone.sync()
  await onLaptop.sync()
  t.match(onLaptop.refused(), [{ write: { id: a, changes: { due: {} } }, reason: /^incomplete_date: / }])
  t.match(await alice.getTask(a), { due: null, priority: 'urgent' })
  await assertConverged(t, [onPhone, onLaptop], alice)
})

t.test('a time without a date is shown as no date', async t => {
  await using devices = await createDevices()
  await devices.onPhone.update(devices.a, { due: { time: '09:00' } })
  t.match(devices.onPhone.list()[0], { title: 'A', due: null })
})

t.test('tasks are added at the end, and before tasks that are created later on the server', async t => {
  await using devices = await createDevices()
  const { alice, onPhone, a } = devices
  await onPhone.move(a, devices.d)
  await onPhone.add('E')
  await alice.createTask({ title: 'F' })
  await onPhone.sync()
  t.equal(order(onPhone), 'BCDAEF')
  await assertSynchronized(t, onPhone, alice)
})

t.test(
  'a task can be moved behind tasks with equal positions, but not behind one that is unknown or itself',
  async t => {
    await using devices = await createDevices()
    const { alice, onPhone, a, b, c, d } = devices
    for (const id of [b, c]) await alice.updateTask(id, { position: 'k' })
    await alice.updateTask(d, { position: 'm' })
    await onPhone.sync()
    const [equal] = [b, c].sort() as [string]
    await onPhone.move(a, equal)
    t.match(order(onPhone), /^(BC|CB)AD$/)
    for (const id of [a, alice.id]) await t.rejects(onPhone.move(a, id), { message: /^There is no other task/ })
  },
)

t.test('a tag that a path cannot have is refused at once, and one too many by the server', async t => {
  await using devices = await createDevices()
  const { alice, onPhone, a } = devices
  for (const tag of ['', '.', '..']) await t.rejects(onPhone.addTag(a, tag), { message: /cannot be a tag here/ })
  await alice.updateTask(a, { tags: Array.from({ length: 50 }, (_, nth) => `${nth}`) })
  await onPhone.addTag(a, 'errands')
  await onPhone.removeTag(a, '49')
  await onPhone.sync()
  t.match(onPhone.refused(), [{ write: { kind: 'addTag', tag: 'errands' }, reason: /^too_many_tags: / }])
  t.equal((await alice.getTask(a)).tags.length, 49)
  await assertSynchronized(t, onPhone, alice)
})
