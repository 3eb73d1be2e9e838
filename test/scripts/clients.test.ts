/** The generated clients: what docs/clients.md shows is in the tours, and the proxy responds like a later version. */
import { readdir, readFile } from 'node:fs/promises'
import t from 'tap'
import { startFuture } from '../../scripts/clients/future.ts'
import { languages } from '../../scripts/clients/languages.ts'
import { sectionOf } from '../../scripts/clients/workshop.ts'
import { randomUser, startService } from '../../scripts/support/service.ts'

const tours = new URL('../../scripts/clients/', import.meta.url)

const linesOf = (text: string) => text.split('\n').map(line => line.trim())

/** Whether `source` has the lines in their order, indented in any way. */
function hasLines(source: string, lines: string): boolean {
  let rest = linesOf(source)
  for (const line of linesOf(lines)) {
    const place = rest.indexOf(line)
    if (place < 0) return false
    rest = rest.slice(place + 1)
  }
  return true
}

for (const [name, { heading }] of Object.entries(languages)) {
  t.test(`the lines that docs/clients.md shows for ${heading} are in its tour, in that order`, async t => {
    const folder = new URL(`${name}/`, tours)
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    const files = entries.filter(entry => entry.isFile()).map(entry => `${entry.parentPath}/${entry.name}`)
    const sources = await Promise.all(files.map(file => readFile(file, 'utf8')))
    const { commands, example } = await sectionOf(heading)
    t.match(commands, /openapi(-3\.0)?\.yaml/)
    t.ok(sources.some(source => hasLines(source, example)))
  })
}

t.test('npm run clients, and so CI, runs the commands of every language in docs/clients.md', async t => {
  const text = await readFile(new URL('../../docs/clients.md', import.meta.url), 'utf8')
  const chapter = text.split(/^## /m).find(part => part.startsWith('Generated clients\n')) ?? ''
  const headings = [...chapter.matchAll(/^### (.+)/gm)].map(([, heading]) => heading)
  t.same(
    headings,
    Object.values(languages).map(({ heading }) => heading),
  )
  t.match(await readFile(new URL('../../.ci/run', import.meta.url), 'utf8'), /^step npm run clients$/m)
})

t.test('every tour has an entry in the table', async t => {
  const entries = await readdir(tours, { withFileTypes: true })
  const folders = entries.filter(entry => entry.isDirectory()).map(({ name }) => name)
  t.same(folders.sort(), Object.keys(languages).sort())
})

t.test(
  'the future adds fields and unknown codes, kinds and request parts, and leaves everything else as it is',
  async t => {
    await using service = await startService()
    await using future = await startFuture(service.origin)
    const path = `/api/${randomUser()}`
    const later = async (method: string, suffix: string, body: string | null = null, headers = {}) => {
      const response = await fetch(`${future.origin}${path}${suffix}`, { method, body, headers })
      const text = await response.text()
      const parsed: Record<string, unknown> = text === '' ? {} : JSON.parse(text)
      return { status: response.status, headers: response.headers, body: parsed }
    }

    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'once' }
    const created = await later('POST', '/tasks', '{"title":"Buy tea"}', headers)
    t.equal(created.status, 201)
    const { added_later: added, ...task } = created.body
    t.ok(added)
    const replay = await service.call('POST', `${path}/tasks`, '{"title":"Buy tea"}', headers)
    t.equal(replay.headers.get('idempotent-replayed'), 'true')
    t.equal(replay.headers.get('etag'), created.headers.get('etag'))
    t.same(replay.body, task)

    const missing = '/tasks/01a19b7c-a680-7bde-9be2-8c463465bc89'
    const now = await service.call('GET', `${path}${missing}`)
    const then = await later('GET', missing)
    t.same([then.status, then.headers.get('content-type')], [now.status, now.headers.get('content-type')])
    t.same([now.body.code, then.body.code], ['task_not_found', 'added_later'])

    const { data } = (await later('GET', '/changes')).body
    t.match(data, [
      { kind: 'added_later', deleted: false, task: null },
      { kind: 'task', task: created.body },
    ])

    const untitled = await service.call('POST', `${path}/tasks`, '{"title":""}', headers)
    const rejected = await later('POST', '/tasks', '{"title":""}', headers)
    t.equal(rejected.status, 400)
    const [known] = untitled.body.errors ?? []
    t.ok(known)
    t.match(rejected.body.errors, [
      { in: 'added_later', code: 'added_later', added_later: added },
      { ...known, added_later: added },
    ])
    t.equal((await later('DELETE', `/tasks/${task.id}`)).status, 204)
  },
)
