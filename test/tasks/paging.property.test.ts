/** Property: paging returns every task that nobody changes exactly once, whatever other clients write meanwhile. */
import fc from 'fast-check'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { startService, type Task } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

const title = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }).filter(title => !title.includes('\0'))
/** Any 128 bits, of whatever UUID version: clients choose ids, too. */
const id = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map(bits =>
  bits
    .toString(16)
    .padStart(32, '0')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
)
const newTasks = fc.uniqueArray(fc.record({ title, id }), { minLength: 1, maxLength: 12, selector: task => task.id })
const sorts = [
  'created_at.asc',
  'created_at.desc',
  'updated_at.asc',
  'updated_at.desc',
  'title.asc',
  'title.desc',
] as const

/** What another client does between two pages. */
type Interference = { kind: 'create' | 'delete' | 'retitle' | 'toggle'; pick: number }
const interference: fc.Arbitrary<Interference[]> = fc.array(
  fc.record({ kind: fc.constantFrom('create', 'delete', 'retitle', 'toggle'), pick: fc.nat(20) }),
  { maxLength: 8 },
)

/** Changes one of `others`, the tasks that the property does not cover, or creates another one. */
async function interfere(user: User, others: Task[], { kind, pick }: Interference): Promise<void> {
  const task = others[pick % Math.max(1, others.length)]
  if (kind === 'create' || task === undefined) others.push(await user.createTask({ title: `other ${pick}` }))
  else if (kind === 'retitle') await user.updateTask(task.id, { title: `moved ${pick}` })
  else if (kind === 'toggle') await user.setTaskCompletion(task.id)
  else {
    await user.deleteTask(task.id)
    others.splice(others.indexOf(task), 1)
  }
}

t.test('paging returns the tasks that nobody changes exactly once, in order, while others change', async t => {
  const property = fc.asyncProperty(
    newTasks,
    fc.constantFrom(...sorts),
    fc.integer({ min: 1, max: 4 }),
    interference,
    async (mine, sort, limit, events) => {
      const alice = await service.newUser()
      const others: Task[] = []
      const kept: Task[] = []
      for (const task of mine) {
        kept.push(await alice.createTask(task))
        others.push(await alice.createTask({ title: `other ${task.title}` }))
      }
      const queue = [...events]
      const seen: string[] = []
      let page = await alice.listTasks({ query: { sort, limit } })
      for (;;) {
        seen.push(...page.data.map(({ id }) => id))
        if (page.next_cursor === null) break
        const event = queue.shift()
        if (event !== undefined) await interfere(alice, others, event)
        page = await alice.listTasks({ query: { limit, cursor: page.next_cursor } })
      }
      const keptSeen = seen.filter(id => kept.some(task => task.id === id))
      return JSON.stringify(keptSeen) === JSON.stringify(kept.toSorted(comparing(sort)).map(({ id }) => id))
    },
  )
  const { failed, counterexample, seed, errorInstance } = await fc.check(property, { numRuns: 40 })
  t.notOk(failed, `seed ${seed}: ${JSON.stringify(counterexample)} ${errorInstance ?? ''}`)
})

/** The documented order, computed without the service: titles by code point, which is UTF-8's byte order. */
const comparing = (sort: (typeof sorts)[number]) => (a: Task, b: Task) => {
  const key = sort.replace(/\.(asc|desc)$/, '') as 'title' | 'created_at' | 'updated_at'
  const byKey =
    Buffer.compare(Buffer.from(a[key]), Buffer.from(b[key])) || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id))
  return sort.endsWith('.desc') ? -byKey : byKey
}

for (const sort of ['created_at.asc', 'created_at.desc', 'title.asc', 'title.desc'] as const) {
  t.test(`paging by ${sort} returns the earlier tasks exactly once while others write without pause`, async t => {
    const alice = await service.newUser()
    const kept = await Promise.all(
      Array.from({ length: 30 }, (_, index) => alice.createTask({ title: `task ${index % 7}` })),
    )
    let paging = true
    const writers = [1, 2, 3].map(async writer => {
      while (paging) {
        const { id } = await alice.createTask({ title: `task ${writer}` })
        await alice.setTaskCompletion(id)
        if (writer !== 1) await alice.deleteTask(id)
      }
    })
    const seen: string[] = []
    let next: { cursor?: string } = {}
    // In ascending order of time the list grows for as long as the writers write, so stop at the last earlier task.
    while (seen.length < 30 || !kept.every(({ id }) => seen.includes(id))) {
      const { data, next_cursor } = await alice.listTasks({ query: { limit: 7, sort, ...next } })
      seen.push(...data.map(({ id }) => id))
      if (next_cursor === null) break
      next = { cursor: next_cursor }
    }
    paging = false
    await Promise.all(writers)
    t.same(seen.filter(id => kept.some(task => task.id === id)).sort(), kept.map(({ id }) => id).sort())
    t.equal(new Set(seen).size, seen.length, 'no task comes twice')
  })
}
