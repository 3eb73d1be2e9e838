/** `npm run chaos`: what its checker accepts, and what it must not; which answers it finds fault with. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { findContradiction, type Operation } from '../../scripts/chaos/checker.ts'
import type { Call, Content, Outcome } from '../../scripts/chaos/model.ts'
import { createSend, type Request } from '../../scripts/chaos/send.ts'

const content = (title: string): Content => ({ title, description: null, completed: false })
/** As an answer: nobody knows. */
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
/** A write that is meant for a revision at which the task is not. */
const refused = (start: number, end: number, only: number) =>
  operation(start, end, { kind: 'toggle', only }, { status: 412 })

t.test('histories that can be explained', async t => {
  const histories: Record<string, Operation[]> = {
    empty: [],
    'one after another': [
      read(0, 1, null),
      create(2, 3, 'a'),
      read(4, 5, 'a'),
      replace(6, 7, 'b'),
      remove(8, 9),
      read(10, 11, null),
    ],
    'a read beside a write may see either': [create(0, 1, 'a'), replace(2, 9, 'b'), read(3, 4, 'a'), read(5, 6, 'b')],
    'two writes beside each other, in either order': [
      create(0, 1, 'a'),
      replace(2, 9, 'b'),
      replace(2, 9, 'c'),
      read(10, 11, 'b'),
    ],
    'an unknown write that happened, later': [
      create(0, 1, 'a'),
      replace(2, 20, 'b', unknown),
      read(3, 4, 'a'),
      read(5, 6, 'b'),
    ],
    'an unknown write that never happened': [create(0, 1, 'a'), replace(2, 20, 'b', unknown), read(30, 31, 'a')],
    'an unknown creation that happened': [
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
    'toggles beside each other': [create(0, 1, 'a'), toggle(2, 9, true), toggle(2, 9, false), read(10, 11, 'a')],
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
    'a condition that holds': [created(0, 1, 'a', 1), replaceAt(2, 3, 1, 'b', 2), replaceAt(4, 5, 2, 'c', 7)],
    'a condition that does not': [created(0, 1, 'a', 1), refused(2, 3, 2), readAt(4, 5, 'a', 1)],
    'two with one condition, of which one wins': [
      created(0, 1, 'a', 1),
      replaceAt(2, 9, 1, 'b', 2),
      refused(2, 9, 1),
      readAt(10, 11, 'b', 2),
    ],
    'a condition on a revision that nobody was told of': [
      created(0, 1, 'a', 1),
      replace(2, 3, 'b', unknown),
      refused(4, 5, 1),
    ],
    'an unknown write that changes nothing': [created(0, 1, 'a', 1), replace(2, 3, 'a', unknown), readAt(4, 5, 'a', 1)],
    'a revision that is learned later': [create(0, 1, 'a'), readAt(2, 3, 'a', 4), refused(4, 5, 3)],
  }
  for (const [name, history] of Object.entries(histories)) t.equal(findContradiction(history), undefined, name)
})

t.test('histories that cannot', async t => {
  const lost = read(4, 5, 'a')
  const histories: Record<string, Operation[]> = {
    'an acknowledged write is gone': [create(0, 1, 'a'), replace(2, 3, 'b'), lost],
    'an acknowledged creation is gone': [create(0, 1, 'a'), read(2, 3, null)],
    'something from nowhere': [create(0, 1, 'a'), read(2, 3, 'z')],
    'a read that goes back in time': [
      create(0, 1, 'a'),
      replace(2, 20, 'b', unknown),
      read(3, 4, 'b'),
      read(5, 6, 'a'),
    ],
    'a toggle that was lost': [create(0, 1, 'a'), toggle(2, 9, true), toggle(2, 9, true)],
    'an id that was taken twice': [create(0, 1, 'a'), create(2, 3, 'b')],
    'a deleted task that came back': [create(0, 1, 'a'), remove(2, 3), read(4, 5, 'a')],
    'a keyed toggle that was done twice': [create(0, 1, 'a'), toggle(2, 9, false)],
    'a keyed creation that was done twice': [create(0, 9, 'a', { status: 409 })],
    'a deleted task that was restored by nobody': [
      create(0, 1, 'a'),
      remove(2, 3),
      operation(4, 5, { kind: 'restore' }, { status: 404 }),
    ],
    'a restored task with another content': [create(0, 1, 'a'), remove(2, 3), restore(4, 5, 'b')],
    'two with one condition that both win': [
      created(0, 1, 'a', 1),
      replaceAt(2, 9, 1, 'b', 2),
      replaceAt(2, 9, 1, 'c', 3),
    ],
    'a condition that holds and is refused': [created(0, 1, 'a', 1), refused(2, 3, 1)],
    'a write without a condition that is refused': [
      created(0, 1, 'a', 1),
      operation(2, 3, { kind: 'toggle' }, { status: 412 }),
    ],
    'a revision that goes back': [created(0, 1, 'a', 5), replaceAt(2, 3, 5, 'b', 4)],
    'a revision that changes by itself': [created(0, 1, 'a', 1), readAt(2, 3, 'a', 2)],
    'a deletion that was answered with a task': [
      create(0, 1, 'a'),
      remove(2, 3, { status: 200, content: content('a') }),
    ],
    'an unknown write that happened after its time': [
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
    'and it says which answer',
  )
})

t.test('an answer that cannot be parsed is a finding, one that is lost or 503 is not', async t => {
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
