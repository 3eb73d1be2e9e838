/**
 * Is a history of one task linearizable: could its operations have happened one after another, each at some moment between
 * its call and its answer? By just-in-time linearization (G. Lowe, "Testing for linearizability", 2017): all
 * explanations of what was seen so far are carried along, and those that an answer contradicts are dropped.
 */
import { apply, type Call, nothing, type Outcome, type State } from './model.ts'

export interface Operation {
  call: Call
  outcome: Outcome
  /** Milliseconds on one clock; what has no known outcome may happen until `end`. */
  start: number
  end: number
}

/** What may have happened so far: the state, and which of the operations under way have taken effect. */
interface Explanation {
  state: State
  happened: ReadonlySet<Operation>
}

/** Operations under way are numbered, so that explanations can be compared. */
const identify = ({ state, happened }: Explanation, numbers: ReadonlyMap<Operation, number>) =>
  `${JSON.stringify(state)} ${[...happened].map(operation => numbers.get(operation)).sort()}`

/** The first operation whose answer nothing explains; undefined where the history is linearizable. */
export function findContradiction(history: readonly Operation[]): Operation | undefined {
  const events = history
    .flatMap(operation => [
      { time: operation.start, isEnd: false, operation },
      { time: operation.end, isEnd: true, operation },
    ])
    // At the same moment calls come first: then more is allowed.
    .sort((a, b) => a.time - b.time || Number(a.isEnd) - Number(b.isEnd))
  const underWay = new Map<Operation, number>()
  let calls = 0
  let explanations: Explanation[] = [{ state: nothing, happened: new Set() }]

  for (const { isEnd, operation } of events) {
    if (!isEnd) {
      underWay.set(operation, calls++)
      continue
    }
    const complete = explore(explanations, underWay)
    // An answer means that it has happened; where there was none, it may never happen now.
    const kept = complete.filter(({ happened }) => operation.outcome === undefined || happened.has(operation))
    if (kept.length === 0) return operation
    underWay.delete(operation)
    explanations = distinct(
      kept.map(({ state, happened }) => ({
        state,
        happened: new Set([...happened].filter(other => other !== operation)),
      })),
      underWay,
    )
  }
  return undefined
}

/** All explanations that follow from these by letting operations under way take effect, in every order. */
function explore(explanations: Explanation[], underWay: ReadonlyMap<Operation, number>): Explanation[] {
  const found = new Map(explanations.map(explanation => [identify(explanation, underWay), explanation]))
  const open = [...found.values()]
  for (let explanation = open.pop(); explanation !== undefined; explanation = open.pop()) {
    for (const operation of underWay.keys()) {
      if (explanation.happened.has(operation)) continue
      const state = apply(explanation.state, operation.call, operation.outcome)
      if (state === undefined) continue
      const next = { state, happened: new Set([...explanation.happened, operation]) }
      const id = identify(next, underWay)
      if (found.has(id)) continue
      found.set(id, next)
      open.push(next)
    }
  }
  return [...found.values()]
}

const distinct = (explanations: Explanation[], underWay: ReadonlyMap<Operation, number>) => [
  ...new Map(explanations.map(explanation => [identify(explanation, underWay), explanation])).values(),
]
