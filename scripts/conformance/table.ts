/** What conformance runs find, by operation. */

/** A server to test. */
export interface Target {
  url: string
  /** A user for tests: all data of this user are erased. */
  user: string
  /** A bearer token of the user; undefined if the server has no authentication. */
  token: string | undefined
}

/** By operation, as `GET /health`. */
export interface Result {
  succeeded: boolean
  /** Number of requests or steps. */
  cases: Map<string, number>
  /** What does not conform. */
  findings: Map<string, string[]>
}

/** The lines of a table of all operations, and then of all findings. */
export function table(operations: string[], results: Record<string, Result>): string[] {
  const width = Math.max(...operations.map(operation => operation.length))
  const names = Object.keys(results)
  const row = (cells: string[]) => cells.map((cell, index) => (index === 0 ? cell.padEnd(width) : cell.padStart(24)))
  const lines = [row(['operation', ...names]).join('')]
  for (const operation of operations) {
    const cells = Object.values(results).map(({ cases, findings }) => {
      const [run, found] = [cases.get(operation) ?? 0, findings.get(operation)?.length ?? 0]
      if (run === 0) return 'not run'
      return `${run} run, ${found === 0 ? 'conforms' : `${found} finding${found === 1 ? '' : 's'}`}`
    })
    lines.push(row([operation, ...cells]).join(''))
  }
  for (const [name, { findings }] of Object.entries(results)) {
    for (const [operation, texts] of findings) {
      for (const text of new Set(texts)) lines.push(`${name}: ${operation}: ${text}`)
    }
  }
  return lines
}
