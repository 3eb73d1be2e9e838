/** The checker of `npm run chaos`: what it accepts, and what it must not. */
import t from 'tap'
import { findContradiction, type Operation } from '../scripts/chaos/checker.ts'
import type { Call, Content, Outcome } from '../scripts/chaos/model.ts'

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
