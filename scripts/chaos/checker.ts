/**
 * Checks whether a history of one task is linearizable: whether its operations could have happened one after another,
 * each at some moment between its call and its response. By just-in-time linearization (G. Lowe, "Testing for
 * linearizability", 2017): keep all explanations of the history so far, and drop those that a response contradicts.
 */
import { apply, type Call, nothing, type Outcome, type State } from './model.ts'

export interface Operation {
  call: Call
  outcome: Outcome
  /** Milliseconds on one clock. An operation of unknown outcome may take effect until `end`. */
  start: number
  end: number
}

/** What may have happened so far: the state, and which of the operations in progress have taken effect. */
interface Explanation {
  state: State
  happened: ReadonlySet<Operation>
}

/** Operations in progress are numbered, so that explanations can be compared. */
const identify = ({ state, happened }: Explanation, numbers: ReadonlyMap<Operation, number>) =>
  `${JSON.stringify(state)} ${[...happened].map(operation => numbers.get(operation)).sort()}`

/** Returns the first operation whose response nothing explains; undefined if the history is linearizable. */
export function findContradiction(history: readonly Operation[]): Operation | undefined {
  const events = history
    .flatMap(operation => [
      { time: operation.start, isEnd: false, operation },
      { time: operation.end, isEnd: true, operation },
    ])
    // At the same moment calls come first, which allows more.
    .sort((a, b) => a.time - b.time || Number(a.isEnd) - Number(b.isEnd))
  const inProgress = new Map<Operation, number>()
  let calls = 0
  let explanations: Explanation[] = [{ state: nothing, happened: new Set() }]

  for (const { isEnd, operation } of events) {
    if (!isEnd) {
      inProgress.set(operation, calls++)
      continue
    }
    const complete = explore(explanations, inProgress)
    // A response means that it took effect. Without a response, it may never take effect from now on.
    const kept = complete.filter(({ happened }) => operation.outcome === undefined || happened.has(operation))
    if (kept.length === 0) return operation
    inProgress.delete(operation)
    explanations = distinct(
      kept.map(({ state, happened }) => ({
        state,
        happened: new Set([...happened].filter(other => other !== operation)),
      })),
      inProgress,
    )
  }
  return undefined
}

/** Returns all explanations that follow if operations in progress take effect, in any order. */
function explore(explanations: Explanation[], inProgress: ReadonlyMap<Operation, number>): Explanation[] {
  const found = new Map(explanations.map(explanation => [identify(explanation, inProgress), explanation]))
  const open = [...found.values()]
  for (let explanation = open.pop(); explanation !== undefined; explanation = open.pop()) {
    for (const operation of inProgress.keys()) {
      if (explanation.happened.has(operation)) continue
      const state = apply(explanation.state, operation.call, operation.outcome)
      if (state === undefined) continue
      const next = { state, happened: new Set([...explanation.happened, operation]) }
      const id = identify(next, inProgress)
      if (found.has(id)) continue
      found.set(id, next)
      open.push(next)
    }
  }
  return [...found.values()]
}

const distinct = (explanations: Explanation[], inProgress: ReadonlyMap<Operation, number>) => [
  ...new Map(explanations.map(explanation => [identify(explanation, inProgress), explanation])).values(),
]
