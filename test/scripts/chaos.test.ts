/** `npm run chaos`: which histories its checker accepts and rejects, and which responses it reports. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { findContradiction, type Operation } from '../../scripts/chaos/checker.ts'
import type { Call, Content, Outcome } from '../../scripts/chaos/model.ts'
import { createSend, type Request } from '../../scripts/chaos/send.ts'

const content = (title: string): Content => ({
  title,
  description: null,
  completed: false,
  due: null,
  priority: 'none',
  tags: [],
})
/** In place of an outcome: the response was lost. */
const unknown = 'unknown'
const operation = (start: number, end: number, call: Call, answer: Outcome | typeof unknown): Operation => ({
  call,
  outcome: answer === unknown ? undefined : answer,
  start,
  end,
})
const create = (
  start: number,
  end: number,
  title: string,
  outcome: Outcome | typeof unknown = { status: 201, content: content(title) },
) => operation(start, end, { kind: 'create', content: content(title) }, outcome)
const replace = (
  start: number,
  end: number,
  title: string,
  outcome: Outcome | typeof unknown = { status: 200, content: content(title) },
) => operation(start, end, { kind: 'replace', content: content(title) }, outcome)
const read = (start: number, end: number, title: string | null) =>
  operation(start, end, { kind: 'read' }, title === null ? { status: 404 } : { status: 200, content: content(title) })
const remove = (start: number, end: number, outcome: Outcome | typeof unknown = { status: 204 }) =>
  operation(start, end, { kind: 'delete' }, outcome)
/** Sets the completion of the task with the title `a`. */
const complete = (start: number, end: number, completed: boolean, returned = completed) =>
  operation(
    start,
    end,
    { kind: 'complete', completed },
    { status: 200, content: { ...content('a'), completed: returned } },
  )

const toggle = (start: number, end: number, completed: boolean) =>
  operation(start, end, { kind: 'toggle' }, { status: 200, content: { ...content('a'), completed } })
const retitle = (start: number, end: number, title: string) =>
  operation(start, end, { kind: 'retitle', title }, { status: 200, content: content(title) })
const restore = (start: number, end: number, title: string) =>
  operation(start, end, { kind: 'restore' }, { status: 200, content: content(title) })

const created = (start: number, end: number, title: string, revision: number) =>
  create(start, end, title, { status: 201, content: content(title), revision })
const readAt = (start: number, end: number, title: string, revision: number) =>
  operation(start, end, { kind: 'read' }, { status: 200, content: content(title), revision })
const replaceAt = (start: number, end: number, only: number, title: string, revision: number) =>
  operation(
    start,
    end,
    { kind: 'replace', content: content(title), only },
    { status: 200, content: content(title), revision },
  )
/** A write whose precondition names another revision than the task has. */
const refused = (start: number, end: number, only: number) =>
  operation(start, end, { kind: 'toggle', only }, { status: 412 })

t.test('the checker accepts histories that have an explanation', async t => {
  const histories: Record<string, Operation[]> = {
    empty: [],
    'operations one after another': [
      read(0, 1, null),
      create(2, 3, 'a'),
      read(4, 5, 'a'),
      replace(6, 7, 'b'),
      remove(8, 9),
      read(10, 11, null),
    ],
    'a read during a write may see either value': [
      create(0, 1, 'a'),
      replace(2, 9, 'b'),
      read(3, 4, 'a'),
      read(5, 6, 'b'),
    ],
    'two concurrent writes in either order': [
      create(0, 1, 'a'),
      replace(2, 9, 'b'),
      replace(2, 9, 'c'),
      read(10, 11, 'b'),
    ],
    'a write with a lost response that takes effect later': [
      create(0, 1, 'a'),
      replace(2, 20, 'b', unknown),
      read(3, 4, 'a'),
      read(5, 6, 'b'),
    ],
    'a write with a lost response that never takes effect': [
      create(0, 1, 'a'),
      replace(2, 20, 'b', unknown),
      read(30, 31, 'a'),
    ],
    'a creation with a lost response that took effect': [
      create(0, 20, 'a', unknown),
      create(2, 3, 'b', { status: 409 }),
      read(4, 5, 'a'),
    ],
    'a deleted id stays taken': [
      create(0, 1, 'a'),
      remove(2, 3),
      create(4, 5, 'b', { status: 409 }),
      remove(6, 7, { status: 404 }),
    ],
    'completing twice': [create(0, 1, 'a'), complete(2, 9, true), complete(2, 9, true)],
    'concurrent toggles': [create(0, 1, 'a'), toggle(2, 9, true), toggle(2, 9, false), read(10, 11, 'a')],
    retitled: [create(0, 1, 'a'), retitle(2, 3, 'b'), read(4, 5, 'b')],
    'deleted and restored': [
      create(0, 1, 'a'),
      remove(2, 3),
      read(4, 5, null),
      restore(6, 7, 'a'),
      read(8, 9, 'a'),
      restore(10, 11, 'a'),
    ],
    'nothing to restore': [operation(0, 1, { kind: 'restore' }, { status: 404 })],
    'a precondition that holds': [created(0, 1, 'a', 1), replaceAt(2, 3, 1, 'b', 2), replaceAt(4, 5, 2, 'c', 7)],
    'a precondition that does not hold': [created(0, 1, 'a', 1), refused(2, 3, 2), readAt(4, 5, 'a', 1)],
    'two writes with one precondition, of which one succeeds': [
      created(0, 1, 'a', 1),
      replaceAt(2, 9, 1, 'b', 2),
      refused(2, 9, 1),
      readAt(10, 11, 'b', 2),
    ],
    'a precondition on a revision that only a lost response had': [
      created(0, 1, 'a', 1),
      replace(2, 3, 'b', unknown),
      refused(4, 5, 1),
    ],
    'a write with a lost response that changes nothing': [
      created(0, 1, 'a', 1),
      replace(2, 3, 'a', unknown),
      readAt(4, 5, 'a', 1),
    ],
    'a revision that only a later read returns': [create(0, 1, 'a'), readAt(2, 3, 'a', 4), refused(4, 5, 3)],
  }
  for (const [name, history] of Object.entries(histories)) t.equal(findContradiction(history), undefined, name)
})

t.test('the checker rejects histories that have no explanation', async t => {
  const lost = read(4, 5, 'a')
  const histories: Record<string, Operation[]> = {
    'an acknowledged write is gone': [create(0, 1, 'a'), replace(2, 3, 'b'), lost],
    'an acknowledged creation is gone': [create(0, 1, 'a'), read(2, 3, null)],
    'a read of a value that was never written': [create(0, 1, 'a'), read(2, 3, 'z')],
    'a read that goes back in time': [
      create(0, 1, 'a'),
      replace(2, 20, 'b', unknown),
      read(3, 4, 'b'),
      read(5, 6, 'a'),
    ],
    'a completion that has no effect': [create(0, 1, 'a'), complete(2, 3, true, false)],
    'a lost toggle': [create(0, 1, 'a'), toggle(2, 9, true), toggle(2, 9, true)],
    'an id that was taken twice': [create(0, 1, 'a'), create(2, 3, 'b')],
    'a deleted task that is read again': [create(0, 1, 'a'), remove(2, 3), read(4, 5, 'a')],
    'a keyed toggle that happened twice': [create(0, 1, 'a'), toggle(2, 9, false)],
    'a keyed creation that happened twice': [create(0, 9, 'a', { status: 409 })],
    'a deleted task that cannot be restored': [
      create(0, 1, 'a'),
      remove(2, 3),
      operation(4, 5, { kind: 'restore' }, { status: 404 }),
    ],
    'a restored task with another content': [create(0, 1, 'a'), remove(2, 3), restore(4, 5, 'b')],
    'two writes with one precondition that both succeed': [
      created(0, 1, 'a', 1),
      replaceAt(2, 9, 1, 'b', 2),
      replaceAt(2, 9, 1, 'c', 3),
    ],
    'a precondition that holds and is refused': [created(0, 1, 'a', 1), refused(2, 3, 1)],
    'a write without a precondition that is refused': [
      created(0, 1, 'a', 1),
      operation(2, 3, { kind: 'toggle' }, { status: 412 }),
    ],
    'a revision that goes back': [created(0, 1, 'a', 5), replaceAt(2, 3, 5, 'b', 4)],
    'a revision that changes by itself': [created(0, 1, 'a', 1), readAt(2, 3, 'a', 2)],
    'a deletion that returns a task': [create(0, 1, 'a'), remove(2, 3, { status: 200, content: content('a') })],
    'a write with a lost response that takes effect after its end': [
      create(0, 1, 'a'),
      replace(2, 3, 'b', unknown),
      read(4, 5, 'a'),
      read(6, 7, 'b'),
    ],
  }
  for (const [name, history] of Object.entries(histories)) t.ok(findContradiction(history), name)
  t.equal(
    findContradiction(histories['an acknowledged write is gone'] as Operation[]),
    lost,
    'it returns the operation that contradicts the others',
  )
})

t.test('a response that cannot be parsed is reported, and a lost one or 503 is not', async t => {
  const whole = (status: number, body: string) =>
    `HTTP/1.1 ${status} X\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
  const get = async (bytes: string, request: Partial<Request> = {}) => {
    const server = createServer(socket =>
      socket.on('error', () => socket.destroy()).once('data', () => socket.end(bytes)),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const findings: string[] = []
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const answer = await createSend(() => [origin], findings)({ method: 'GET', path: '/', ...request })
    server.close()
    return { answer, findings }
  }
  t.same(await get(whole(200, '{}')), { answer: { status: 200, body: {} }, findings: [] })
  const post = { method: 'POST', body: {}, headers: { 'idempotency-key': 'key' } }
  t.same(await get(whole(200, ''), post), { answer: { status: 200, body: undefined }, findings: [] })
  t.same(await get(whole(503, '{}')), { answer: undefined, findings: [] })
  for (const lost of ['', whole(200, '{}').slice(0, 10), whole(200, '{}').slice(0, -1)]) {
    t.same(await get(lost), { answer: undefined, findings: [] }, JSON.stringify(lost))
  }
  for (const nonsense of [whole(200, '{'), whole(503, '<html>')]) {
    t.match(await get(nonsense), { answer: undefined, findings: [/^GET returned \d+ with invalid JSON: /] })
  }
  for (const nonsense of ['nonsense\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}']) {
    t.match(await get(nonsense), { answer: undefined, findings: [/^GET: the response is not HTTP: /] })
  }
})

t.test('dates, tags, priority and order of a task are part of its history', t => {
  const day = (date: string, time: string | null = null) => ({ date, time, time_zone: null })
  const seen = (changes: Partial<Content>, revision: number): Outcome => ({
    status: 200,
    content: { ...content('A'), position: 'V', ...changes },
    revision,
  })
  const calls: [Call, Outcome][] = [
    [{ kind: 'create', content: content('A') }, { ...seen({}, 1), status: 201 } as Outcome],
    [{ kind: 'retime', time: '09:00' }, { status: 422 }],
    [{ kind: 'postpone', date: '2026-12-01' }, seen({ due: day('2026-12-01') }, 2)],
    [{ kind: 'retime', time: '09:00' }, seen({ due: day('2026-12-01', '09:00') }, 3)],
    [{ kind: 'postpone', date: '2026-12-02' }, seen({ due: day('2026-12-02', '09:00') }, 4)],
    [{ kind: 'tag', tag: 'b' }, seen({ due: day('2026-12-02', '09:00'), tags: ['b'] }, 5)],
    [{ kind: 'tag', tag: 'a' }, seen({ due: day('2026-12-02', '09:00'), tags: ['a', 'b'] }, 6)],
    [{ kind: 'untag', tag: 'b' }, seen({ due: day('2026-12-02', '09:00'), tags: ['a'] }, 7)],
    [
      { kind: 'prioritise', priority: 'high' },
      seen({ due: day('2026-12-02', '09:00'), tags: ['a'], priority: 'high' }, 8),
    ],
    [
      { kind: 'move', to: 'end' },
      seen({ due: day('2026-12-02', '09:00'), tags: ['a'], priority: 'high', position: 'W' }, 9),
    ],
  ]
  const history = (last: Outcome | typeof unknown = calls.at(-1)?.[1]) =>
    calls.map(([call, outcome], index) =>
      operation(index * 2, index * 2 + 1, call, index === calls.length - 1 ? last : outcome),
    )
  const end = (changes: Partial<Content>, revision: number) =>
    operation(
      100,
      101,
      { kind: 'read' },
      seen({ due: day('2026-12-02', '09:00'), tags: ['a'], priority: 'high', ...changes }, revision),
    )
  t.equal(findContradiction(history()), undefined)
  t.equal(findContradiction([...history(), end({ position: 'W' }, 9)]), undefined)
  t.equal(findContradiction([...history(unknown), end({ position: 'X' }, 9)]), undefined, 'a move without a response')
  const again = operation(50, 51, { kind: 'tag', tag: 'a' }, unknown)
  t.equal(findContradiction([...history(), again, end({ position: 'W' }, 9)]), undefined, 'nothing to change')
  t.ok(findContradiction([...history(), again, end({ position: 'W' }, 10)]), 'so the revision is the same')
  t.equal(findContradiction([...history(unknown), end({}, 8)]), undefined, 'or one that did not happen')
  for (const wrong of [
    { position: 'V' },
    { tags: ['a', 'b'] },
    { priority: 'none' },
    { due: day('2026-12-01', '09:00') },
  ]) {
    t.ok(findContradiction([...history(), end({ position: 'W', ...wrong }, 9)]), JSON.stringify(wrong))
  }
  t.end()
})
