/** Property: paging loses no task and shows none twice, while others write. */
import fc from 'fast-check'
import t from 'tap'
import { randomUser, startService, type Task } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create } = service

const title = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }).filter(title => !title.includes('\0'))
/** Any 128 bits, of whatever UUID version: clients choose ids, too. */
const id = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map(bits =>
  bits
    .toString(16)
    .padStart(32, '0')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
)
const newTasks = fc.uniqueArray(fc.record({ title, id }), { minLength: 1, maxLength: 12, selector: task => task.id })
const sorts = ['created_at', '-created_at', 'updated_at', '-updated_at', 'title', '-title']

/** What another client does between two pages. */
type Interference = { kind: 'create' | 'delete' | 'retitle' | 'toggle'; pick: number }
const interference = fc.array(
  fc.record({
    kind: fc.constantFrom('create', 'delete', 'retitle', 'toggle'),
    pick: fc.nat(20),
  }) as fc.Arbitrary<Interference>,
  { maxLength: 8 },
)

/** Disturbs tasks that the property says nothing about; `others` are those, grown and shrunk here. */
async function interfere(user: string, others: Task[], { kind, pick }: Interference): Promise<void> {
  const task = others[pick % Math.max(1, others.length)]
  if (kind === 'create' || task === undefined) {
    others.push(await create(user, { title: `other ${pick}` }))
    return
  }
  const path = `/api/${user}/tasks/${task.id}`
  if (kind === 'retitle') await call('PATCH', path, { title: `moved ${pick}` })
  else if (kind === 'toggle') await call('PATCH', `${path}/complete`)
  else {
    await call('DELETE', path)
    others.splice(others.indexOf(task), 1)
  }
}

t.test('tasks that nobody touches are seen exactly once, in order, whatever happens to others', async t => {
  const property = fc.asyncProperty(
    newTasks,
    fc.constantFrom(...sorts),
    fc.integer({ min: 1, max: 4 }),
    interference,
    async (mine, sort, limit, events) => {
      const user = randomUser()
      const others: Task[] = []
      const kept: Task[] = []
      for (const task of mine) {
        kept.push(await create(user, task))
        others.push(await create(user, { title: `other ${task.title}` }))
      }
      const queue = [...events]
      const seen: string[] = []
      let query = `?sort=${sort}&limit=${limit}`
      for (;;) {
        const { body } = await call('GET', `/api/${user}/tasks${query}`)
        seen.push(...body.data.map((task: Task) => task.id))
        if (body.next_cursor === null) break
        query = `?limit=${limit}&cursor=${body.next_cursor}`
        const event = queue.shift()
        if (event !== undefined) await interfere(user, others, event)
      }
      const mineSeen = seen.filter(id => kept.some(task => task.id === id))
      return JSON.stringify(mineSeen) === JSON.stringify(kept.toSorted(comparing(sort)).map(({ id }) => id))
    },
  )
  const { failed, counterexample, seed, errorInstance } = await fc.check(property, { numRuns: 40 })
  t.notOk(failed, `seed ${seed}: ${JSON.stringify(counterexample)} ${errorInstance ?? ''}`)
})

/** The order that the contract promises, computed without the service: titles by code point, which is UTF-8's byte order. */
const comparing = (sort: string) => (a: Task, b: Task) => {
  const key = sort.replace('-', '') as 'title'
  const byKey =
    Buffer.compare(Buffer.from(a[key]), Buffer.from(b[key])) || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id))
  return sort.startsWith('-') ? -byKey : byKey
}

t.test('while others write without pause, what was there before is seen exactly once', async t => {
  for (const sort of ['created_at', '-created_at', 'title', '-title']) {
    const user = randomUser()
    const kept = await Promise.all(
      Array.from({ length: 30 }, (_, index) => create(user, { title: `task ${index % 7}` })),
    )
    let paging = true
    const writers = [1, 2, 3].map(async writer => {
      while (paging) {
        const task = await create(user, { title: `task ${writer}` })
        await call('PATCH', `/api/${user}/tasks/${task.id}/complete`)
        if (writer !== 1) await call('DELETE', `/api/${user}/tasks/${task.id}`)
      }
    })
    const seen: string[] = []
    let cursor = ''
    // Ascending by time the writers stay ahead for as long as they write: the pages of what was there are enough.
    while (seen.length < 30 || !kept.every(({ id }) => seen.includes(id))) {
      const { body } = await call('GET', `/api/${user}/tasks?limit=7&sort=${sort}${cursor}`)
      seen.push(...body.data.map((task: Task) => task.id))
      if (body.next_cursor === null) break
      cursor = `&cursor=${body.next_cursor}`
    }
    paging = false
    await Promise.all(writers)
    t.same(seen.filter(id => kept.some(task => task.id === id)).sort(), kept.map(({ id }) => id).sort(), sort)
    t.equal(new Set(seen).size, seen.length, `${sort}: nothing twice`)
  }
})
