/** Text is stored exactly as sent, or refused. */
import fc from 'fast-check'
import t from 'tap'
import { operations } from '../../scripts/support/contract.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { randomUser, startService } from '../../scripts/support/service.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { call, create, database, send } = service

/** What is refused of the control characters below U+0020: all but tab, line feed and carriage return. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it is about
const CONTROLS = /[\0-\x08\x0b\x0c\x0e-\x1f]/

t.test('any text comes back as it was sent', async t => {
  const user = randomUser()
  const text = (maxLength: number) =>
    fc.string({ unit: 'binary', minLength: 1, maxLength }).filter(value => !CONTROLS.test(value))
  const property = fc.asyncProperty(text(120), fc.option(text(2000)), async (title, description) => {
    const task = await create(user, { title, description })
    const { body } = await call('GET', `/api/${user}/tasks/${task.id}`)
    return (
      task.title === title &&
      task.description === description &&
      body.title === title &&
      body.description === description
    )
  })
  const { failed, counterexample, seed } = await fc.check(property, { numRuns: 100 })
  t.notOk(failed, `seed ${seed}: ${JSON.stringify(counterexample)}`)
})

t.test('nothing is trimmed, normalised or cut', async t => {
  const user = randomUser()
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
  for (const title of texts) t.equal((await create(user, { title, description: title })).title, title)
  t.equal((await create(user, { title: 'T', description: '' })).description, '', 'empty is not null')
})

t.test('lengths are counted in characters, not in bytes or halves of surrogate pairs', async t => {
  const user = randomUser()
  const longest = { title: '😀'.repeat(255), description: '😀'.repeat(10_000) }
  t.match(await create(user, longest), longest)
  const tooLong = await call('POST', `/api/${user}/tasks`, { title: '😀'.repeat(256), description: 'x'.repeat(10_001) })
  t.equal(tooLong.status, 400)
  t.same(tooLong.body.errors, [
    { in: 'body', pointer: '/title', code: 'too_long', detail: 'must have at most 255 characters, has 256' },
    { in: 'body', pointer: '/description', code: 'too_long', detail: 'must have at most 10000 characters, has 10001' },
  ])
})

t.test('control characters and lone surrogates are refused in every text of every operation', async t => {
  const user = randomUser()
  const { id } = await create(user, { title: 'Kept' })
  for (const operation of operations) {
    const { operationId, requestBody } = operation
    const [method, url, content] = validRequest(operation, user, { id })
    const media = requestBody?.content['application/json'] as
      | { schema: { properties: Record<string, { type: unknown }> } }
      | undefined
    for (const [name, schema] of Object.entries(media?.schema.properties ?? {})) {
      if (![schema.type].flat().includes('string')) continue
      for (const text of ['a\0', '\u0001', 'a\u000bb', '\u001f', '\ud800', 'a\udc00b', '\udc00\ud800']) {
        const { status, body } = await call(method, url, { ...(content as object), [name]: text })
        t.equal(status, 400, `${operationId} ${name} ${JSON.stringify(text)}`)
        t.ok(body.errors.some((error: { pointer: string }) => error.pointer === `/${name}`))
      }
    }
  }
  t.same(
    (await call('GET', `/api/${user}/tasks`)).body.data.map((task: { title: string }) => task.title),
    ['Kept'],
  )
})

t.test('a control character is refused in one sentence that says which are not', async t => {
  const { body } = await call('POST', `/api/${randomUser()}/tasks`, { title: 'a\u0007' })
  const detail = 'must not have control characters other than tab, line feed and carriage return'
  t.same(body.errors, [{ in: 'body', pointer: '/title', code: 'wrong_format', detail }])
})

t.test('tasks from before control characters were refused are served as they are', async t => {
  const user = randomUser()
  const { id } = await create(user)
  const text = { title: 'a\u0001', description: '\u001f\u000b' }
  await database.kysely.updateTable('task').set(text).where('user_id', '=', user).execute()
  t.match((await call('GET', `/api/${user}/tasks/${id}`)).body, text)
  t.match((await call('GET', `/api/${user}/tasks`)).body.data, [text])
  t.match((await call('GET', `/api/${user}/changes`)).body.data, [{ task: text }])
  t.match((await call('PATCH', `/api/${user}/tasks/${id}`, { completed: true })).body, text)
})

t.test('NUL and what is not UTF-8 are refused in path and query', async t => {
  const user = randomUser()
  for (const path of [
    `/api/a%00b/tasks`,
    `/api/${user}/tasks/%00`,
    `/api/${user}/tasks?cursor=%00`,
    `/api/${user}/tasks?%00=1`,
  ]) {
    t.equal((await call('GET', path)).status, 400, path)
  }
  for (const path of [
    '/api/%ff/tasks',
    '/api/%ed%a0%80/tasks',
    '/api/%/tasks',
    `/api/${user}/tasks?cursor=%ed%a0%80`,
  ]) {
    t.equal((await call('GET', path)).status, 400, path)
  }
})

t.test('a body that is not UTF-8 is refused instead of being mended', async t => {
  const path = `/api/${randomUser()}/tasks`
  const json = '{"title":"\xff"}'
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n`
  const { status, body } = await send('POST', path, head + json)
  t.equal(status, 400)
  t.equal(body.code, 'malformed_json')
})
