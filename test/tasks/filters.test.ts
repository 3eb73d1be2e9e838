/** The parameters of filters and of search, and pages that are short because of them. */
import { sql } from 'kysely'
import t from 'tap'
import { invalid } from '../../scripts/support/client.ts'
import { startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { kysely } = service.database

/** Each with the name and the code of its error. */
const refused: [query: string, name: string, code: string][] = [
  ['due_from=2026-02-30', 'due_from', 'wrong_format'],
  ['due_to=0000-01-01', 'due_to', 'wrong_format'],
  ['due_from=24.11.2026', 'due_from', 'wrong_format'],
  ['due_from=', 'due_from', 'wrong_format'],
  ['due_from=now&time_zone=UTC', 'due_from', 'wrong_format'],
  ['due_to=%2B10000d&time_zone=UTC', 'due_to', 'wrong_format'],
  ['due_from=today', 'time_zone', 'required'],
  ['due_from=2026-11-24&due_to=7d', 'time_zone', 'required'],
  ['due_from=today&time_zone=Mars', 'time_zone', 'wrong_format'],
  ['due_from=today&time_zone=%2B02:00', 'time_zone', 'wrong_format'],
  ['due_from=2026-11-24&due_from=2026-11-25', 'due_from', 'repeated'],
  ['has_due=yes', 'has_due', 'wrong_type'],
  ['priority=p1', 'priority/0', 'not_a_choice'],
  ['priority=high&priority=high', 'priority', 'repeated'],
  [`tag=${'x'.repeat(65)}`, 'tag/0', 'too_long'],
  ['tag=%00', 'tag/0', 'wrong_format'],
  ['not_tag=', 'not_tag/0', 'too_short'],
  ['q=', 'q', 'too_short'],
  ['q=!', 'q', 'wrong_format'],
  ['q=%F0%9F%9A%80', 'q', 'wrong_format'],
  ['q=a%0Ab', 'q', 'wrong_format'],
  [`q=${'x'.repeat(201)}`, 'q', 'too_long'],
  ['q=a&q=b', 'q', 'repeated'],
  ['tags=a', 'tags', 'unknown'],
]

t.test('a filter that is not valid returns 400 and its name', async t => {
  const alice = await service.newUser()
  for (const [query, name, code] of refused) {
    const { status, body } = await service.call('GET', `${alice.path('listTasks')}?${query}`)
    t.match([status, body], [400, { errors: [{ in: 'query', name, code }] }], query)
  }
})

t.test('q finds the beginnings of words, after any change of the text', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'Landingpages', description: 'für das Café' })
  const other = await alice.createTask({ title: 'Other' })
  const found = async (q: string) => (await alice.listTasks({ query: { q } })).data.map(({ id }) => id)
  t.same(await found('landing'), [id])
  t.same(await found('CAFE fur land'), [id])
  t.same(await found('pages'), [])
  t.same(await found('caf other'), [], 'each word in the same task')
  await alice.updateTask(id, { title: '買う', description: null })
  t.same(await found('cafe'), [], 'the text of before is not found')
  t.same(await found('う'), [id])
  await alice.replaceTask(other.id, { title: 'Ärger', description: 'plain', completed: false })
  t.same(await found('arger PLA'), [other.id])
  const { items } = await alice.batchTasks({ items: [{ action: 'create', task: { title: 'Ünder' } }] })
  t.same(await found('under'), [items[0]?.id])
  await alice.deleteTask(other.id)
  t.same(await found('arger'), [])
  const trash = await alice.listTasks({ query: { q: 'arger', deleted: true } })
  t.same(
    trash.data.map(({ id }) => id),
    [other.id],
  )
})

t.test('tags with any characters are found as they are', async t => {
  const alice = await service.newUser()
  for (const tag of ['a,b', '{}', '"', '\\', 'NULL', "'", ' ', '%']) {
    const { id } = await alice.createTask({ title: 'T', tags: [tag] })
    t.same(
      (await alice.listTasks({ query: { tag: [tag] } })).data.map(({ id }) => id),
      [id],
      tag,
    )
  }
})

t.test('relative days are those of the time zone', async t => {
  const alice = await service.newUser()
  for (const time_zone of ['Pacific/Kiritimati', 'Pacific/Pago_Pago']) {
    const day = (now: Date) => new Intl.DateTimeFormat('sv-SE', { timeZone: time_zone, dateStyle: 'short' }).format(now)
    for (;;) {
      const today = day(new Date())
      const { id } = await alice.createTask({ title: 'T', due: { date: today } })
      const query = { due_from: 'today', due_to: '0d', time_zone }
      const { data } = await alice.listTasks({ query })
      await alice.deleteTask(id)
      // Unless midnight came in between.
      if (day(new Date()) !== today) continue
      t.same(
        data.map(({ id }) => id),
        [id],
        time_zone,
      )
      break
    }
  }
})

t.test('a request reads up to 5,000 tasks; then the page is short, and its cursor leads on', async t => {
  const alice = await service.newUser()
  await alice.createTask({ title: 'Needle' })
  await sql`
    insert into task (user_id, id, title, completed, completed_at, created_at, updated_at, revision)
    select user_id, gen_random_uuid(), 'Hay ' || number, number % 2 = 0, case when number % 2 = 0 then created_at end,
      created_at + number * interval '1 second', created_at, 1 + number
    from task, generate_series(1, 6000) as number where user_id = ${alice.id}`.execute(kysely)
  const query = { q: 'needle' }
  const { status, body, headers } = await alice.send.listTasks({ query })
  if (status !== 200) throw new Error(`${status}`)
  t.same(body.data, [])
  t.match(headers.get('link'), 'q=needle')
  const next = await alice.listTasks({ query: { ...query, cursor: body.next_cursor as string } })
  t.same(
    next.data.map(({ title }) => title),
    ['Needle'],
  )
  t.equal(next.next_cursor, null)
  const few = await alice.send.listTasks({ query: invalid({ q: 'hay', limit: 3 }) })
  t.match(few.body, { data: [{ title: 'Hay 6000' }, { title: 'Hay 5999' }, { title: 'Hay 5998' }] })
})
