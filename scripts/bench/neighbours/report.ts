/** Prints how much one user's latency rises beside each neighbour. */
import type { AttackReport } from './aggressor.ts'
import { isSuccess, type Operation, operations, type Visit } from './visit.ts'

export interface Result {
  name: string
  alone: Visit[]
  beside: Visit[]
  report: AttackReport
}

export function report(title: string, results: Result[], seconds: number): void {
  const columns = operations.flatMap(operation => [`${operation} p50`, `${operation} p95`])
  console.log(`\n${title}, ${seconds} s alone, ${seconds} s beside each neighbour: ms alone → beside (ratio)\n`)
  console.log(`| beside | ${columns.join(' | ')} | the user's failures | the neighbour's responses |`)
  console.log(`| --- | ${columns.map(() => '---: | ').join('')}--- | --- |`)
  for (const { name, alone, beside, report } of results) {
    const latencies = operations.flatMap(operation =>
      [0.5, 0.95].map(part => {
        const [before, after] = [alone, beside].map(visits => quantile(visits, operation, part)) as [number, number]
        return `${shown(before)} → ${shown(after)}${after < Infinity ? ` (${shown(after / before)})` : ''}`
      }),
    )
    const failures = count([...alone, ...beside].filter(visit => !isSuccess(visit)).map(({ outcome }) => outcome))
    console.log(`| ${name} | ${latencies.join(' | ')} | ${counts(failures)} | ${responses(report)} |`)
  }
}

/** A failure counts as infinitely slow: refusing requests at once must not make the service look fast. */
function quantile(visits: Visit[], operation: Operation, part: number): number {
  const sorted = visits
    .filter(visit => visit.operation === operation)
    .map(visit => (isSuccess(visit) ? visit.milliseconds : Infinity))
    .sort((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * part) - 1] as number
}

const shown = (value: number) => (value === Infinity ? 'failed' : value.toFixed(value < 10 ? 1 : 0))

function count(outcomes: string[]): Record<string, number> {
  const numbers: Record<string, number> = {}
  for (const outcome of outcomes) numbers[outcome] = (numbers[outcome] ?? 0) + 1
  return numbers
}

const counts = (numbers: Record<string, number>) =>
  Object.entries(numbers)
    .map(([outcome, number]) => `${outcome}: ${number}`)
    .join(', ') || 'none'

function responses({ sent, outcomes }: AttackReport): string {
  const unanswered = sent - Object.values(outcomes).reduce((sum, number) => sum + number, 0)
  return `${counts({ ...outcomes, ...(unanswered > 0 && { unanswered }) })} of ${sent}`
}
