/** Text is stored exactly as sent, or refused. */
import fc from 'fast-check'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())

/** The refused control characters below U+0020: all except tab, line feed and carriage return. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it is about
const CONTROLS = /[\0-\x08\x0b\x0c\x0e-\x1f]/

t.test('any allowed title and description are returned as sent', async t => {
  const alice = await service.newUser()
  const text = (maxLength: number) =>
    fc.string({ unit: 'binary', minLength: 1, maxLength }).filter(value => !CONTROLS.test(value))
  const property = fc.asyncProperty(text(120), fc.option(text(2000)), async (title, description) => {
    const created = await alice.createTask({ title, description })
    const read = await alice.getTask(created.id)
    return [created, read].every(task => task.title === title && task.description === description)
  })
  const { failed, counterexample, seed } = await fc.check(property, { numRuns: 100 })
  t.notOk(failed, `seed ${seed}: ${JSON.stringify(counterexample)}`)
})

t.test('text is neither trimmed nor normalised nor cut', async t => {
  const alice = await service.newUser()
  const texts = [
    ' ',
    ' padded ',
    'e\u0301',
    '\u00e9',
    '\ufeff',
    '\r\n\t',
    '\u202eright to left',
    "'; drop table task; --",
    '\\',
    '{}',
    'null',
  ]
  for (const title of texts) t.equal((await alice.createTask({ title, description: title })).title, title)
  const { description } = await alice.createTask({ title: 'T', description: '' })
  t.equal(description, '', 'an empty description is not null')
})

t.test('lengths are counted in code points, not in bytes or surrogates', async t => {
  const alice = await service.newUser()
  const longest = { title: '😀'.repeat(255), description: '😀'.repeat(10_000) }
  t.match(await alice.createTask(longest), longest)
  const { status, body } = await alice.send.createTask({
    title: '😀'.repeat(256),
    description: 'x'.repeat(10_001),
  })
  if (status !== 400) throw new Error(`${status}`)
  t.same(body.errors, [
    { in: 'body', pointer: '/title', code: 'too_long', detail: 'must have at most 255 characters, has 256' },
    { in: 'body', pointer: '/description', code: 'too_long', detail: 'must have at most 10000 characters, has 10001' },
  ])
})

t.test('every operation refuses control characters and lone surrogates in every text field', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'Kept' })
  for (const operation of operations) {
    const { operationId, requestBody } = operation
    const [method, url, content] = validRequest(operation, alice.id, { id })
    const media = requestBody?.content['application/json'] as
      | { schema: { properties: Record<string, { type: unknown }> } }
      | undefined
    for (const [name, schema] of Object.entries(media?.schema.properties ?? {})) {
      if (![schema.type].flat().includes('string')) continue
      for (const text of ['a\0', '\u0001', 'a\u000bb', '\u001f', '\ud800', 'a\udc00b', '\udc00\ud800']) {
        const { status, body } = await service.call(method, url, { ...(content as object), [name]: text })
        t.equal(status, 400, `${operationId} ${name} ${JSON.stringify(text)}`)
        t.ok(body.errors?.some(error => error.pointer === `/${name}`))
      }
    }
  }
  t.same(
    (await alice.listTasks()).data.map(({ title }) => title),
    ['Kept'],
  )
})

t.test('the validation error for a control character lists the allowed ones', async t => {
  const alice = await service.newUser()
  const { status, body } = await alice.send.createTask({ title: 'a\u0007' })
  if (status !== 400) throw new Error(`${status}`)
  const detail = 'must not have control characters other than tab, line feed and carriage return'
  t.same(body.errors, [{ in: 'body', pointer: '/title', code: 'wrong_format', detail }])
})

t.test('tasks stored before control characters were refused are returned unchanged', async t => {
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'T' })
  const text = { title: 'a\u0001', description: '\u001f\u000b' }
  await service.database.kysely.updateTable('task').set(text).where('user_id', '=', alice.id).execute()
  t.match(await alice.getTask(id), text)
  t.match((await alice.listTasks()).data, [text])
  t.match((await alice.listChanges()).data, [{ task: text }])
  t.match(await alice.updateTask(id, { completed: true }), text)
})

t.test('NUL in a path or query returns 400', async t => {
  const alice = await service.newUser()
  const paths = [
    (await service.newUser({ id: 'a\0b' })).path('listTasks'),
    alice.path('getTask', '\0'),
    alice.path('listTasks', '', { cursor: '\0' }),
    alice.path('listTasks', '', { '\0': 1 }),
  ]
  for (const path of paths) {
    t.match(path, '%00')
    t.equal((await service.call('GET', path)).status, 400, path)
  }
})

t.test('a path or query that is not UTF-8 returns 400', async t => {
  const alice = await service.newUser()
  const path = alice.path('listTasks')
  const malformed = ['%ff', '%ed%a0%80', '%'].map(bytes => path.replace(alice.id, bytes))
  for (const url of [...malformed, `${path}?cursor=%ed%a0%80`]) {
    t.equal((await service.call('GET', url)).status, 400, url)
  }
})

t.test('a body that is not UTF-8 returns 400 instead of being repaired', async t => {
  const alice = await service.newUser()
  const path = alice.path('createTask')
  const json = '{"title":"\xff"}'
  const head = [`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json']
  const bytes = [...head, `Content-Length: ${json.length}`, '', json].join('\r\n')
  const { status, body } = await service.send('POST', path, bytes)
  t.equal(status, 400)
  t.equal(body.code, 'malformed_json')
})
