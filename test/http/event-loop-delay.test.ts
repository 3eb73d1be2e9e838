/** No body, header or query blocks the event loop for much longer than it takes to read. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { invalid } from '../../scripts/support/client.ts'
import { contract, operations } from '../../scripts/support/contract.ts'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client, ownDatabase } from '../../scripts/support/service.ts'

const config = await ownDatabase()
t.teardown(() => config[Symbol.asyncDispose]())
// A process of its own, without coverage, which makes loops much slower.
const service = await startProcess({ ...environment(config), _TAPJS_PROCESSINFO_COVERAGE_: '0' })
t.teardown(() => service[Symbol.asyncDispose]())
const { origin } = service
await untilHealthy(origin)
const user = await client(origin).newUser()
const { header_bytes, members } = contract.document['x-limits']
const batch = operations.find(({ operationId }) => operationId === 'batchTasks')
const most = batch?.['x-body-bytes'] as number

/**
 * How often each request is sent, at least and at most. The best time is the one least disturbed by other processes: on
 * a busy machine it takes more rounds until one is not disturbed.
 */
const ROUNDS = { least: 8, most: 200 }
/** How many times as long as its reference a request may take. */
const BUDGET = 4

type Call = [method: string, path: string, body: string | null, headers: Record<string, string>]

/** How many milliseconds the service is busy with a request; no other one is in progress. */
async function duration([method, path, body, headers]: Call, status: number): Promise<number> {
  const start = performance.now()
  const response = await fetch(origin + path, { method, body, headers })
  await response.arrayBuffer()
  const end = performance.now()
  t.equal(response.status, status)
  return end - start
}

/** The best times of two requests that are sent in turn, more often while the first one is over its budget. */
async function compare(request: Call, status: number, reference: Call, other: number) {
  const best = { own: Number.POSITIVE_INFINITY, reference: Number.POSITIVE_INFINITY }
  const isOver = () => best.own >= BUDGET * best.reference
  for (let round = 0; round < ROUNDS.least || (isOver() && round < ROUNDS.most); round++) {
    best.reference = Math.min(best.reference, await duration(reference, other))
    best.own = Math.min(best.own, await duration(request, status))
  }
  return best
}

const object = (count: number, value: unknown) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`member${index}`, value]))

const list = (count: number, item: unknown) => Array.from({ length: count }, () => item)

/** Repeats the text until a body is nearly at its limit. */
const filling = (text: string) => text.repeat(Math.floor((most - 1000) / Buffer.byteLength(JSON.stringify(text))))

const item = (more: object) => ({ items: [{ action: 'create', task: { title: 'T' }, ...more }] })

const bodies: Record<string, unknown> = {
  'one text': 'x'.repeat(most - 2),
  'a long list': list(most / 2 - 1, 0),
  'lists of lists that are not too long': { items: list(members, list(members, list(45, 0))) },
  'as many errors as fit': { items: list(members, { action: 'delete', ...object(members - 1, 0) }) },
  'a long title': item({ task: { title: 'x'.repeat(most - 1000) } }),
  'a long title beyond the basic plane': item({ task: { title: filling('😀') } }),
  'a long id': { items: [{ action: 'delete', id: 'x'.repeat(most - 1000) }] },
  'a long name': { ['/~'.repeat(most / 2 - 10)]: 1 },
  'a long name of a list that is too long': { ['/~'.repeat(most / 4)]: list(members + 1, 0) },
}

t.test('rejecting an invalid body takes about as long as reading it, with an idempotency key and without', async t => {
  const path = user.path('batchTasks')
  for (const [what, body] of Object.entries(bodies)) {
    const text = JSON.stringify(body)
    t.ok(Buffer.byteLength(text) <= most, `${what} fits`)
    for (const key of [{}, { 'idempotency-key': randomUUID() }]) {
      const headers = { 'content-type': 'application/json', ...key }
      // The same bytes without the last one, so that they are not valid JSON.
      const unfinished: Call = ['POST', path, text.slice(0, -1), headers]
      const { own, reference } = await compare(['POST', path, text, headers], 400, unfinished, 400)
      t.ok(own < BUDGET * reference, `${what}: ${own} ms, and ${reference} ms to read it`)
    }
  }
})

t.test('rejecting or replacing a long header or query takes about as long as ignoring an unknown header', async t => {
  const list = user.path('listTasks')
  const task = user.path('getTask', randomUUID())
  const length = header_bytes - 1000
  const fill = (text: string) => text.repeat(Math.floor(length / text.length))
  const names = Array.from({ length: length / 7 }, (_, index) => `k${index}`)
  const requests: Record<string, [status: number, path: string, headers?: Record<string, string>]> = {
    'unknown parameters': [400, `${list}?${names.join('&')}`],
    'one parameter many times': [400, `${list}?${fill('limit&')}`],
    'many media types': [406, list, { accept: `${fill('a/b,')}a/b` }],
    'a media type in open quotes': [406, list, { accept: `a/b;x="${fill(',')}` }],
    'a media type with many parameters': [406, list, { accept: `a/b${fill(';x=1')}` }],
    'many tags': [400, task, { 'if-none-match': `${fill('"a",')}x` }],
    'many separators': [400, task, { 'if-none-match': `"a"${fill(' ,')}x` }],
    'a long id': [404, task, { 'x-request-id': fill('x') }],
  }
  const padded: Call = ['GET', task, null, { 'x-padding': fill('x') }]
  for (const [what, [status, path, headers = {}]] of Object.entries(requests)) {
    const { own, reference } = await compare(['GET', path, null, headers], status, padded, 404)
    t.ok(own < BUDGET * reference, `${what}: ${own} ms, and ${reference} ms for an unknown header`)
  }
})

t.test('a batch with too many members in a list returns 400 with a shortened pointer', async t => {
  const body = { [`a/${'b'.repeat(1000)}`]: { c: list(members + 1, 0) } }
  const answer = await user.send.batchTasks(invalid(body))
  const [error] = answer.status === 400 ? (answer.body.errors ?? []) : []
  t.equal(error?.pointer, `/a~1${'b'.repeat(252)}`)
  t.equal(error?.code, 'too_long')
  t.equal(error?.detail, `must have at most ${members} items, has ${members + 1}`)
})
