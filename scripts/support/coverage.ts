/** The contract-coverage table: each operation x each declared status, seen or not. */
import { readFile } from 'node:fs/promises'
import { operations } from './contract.ts'

/** Declared responses that no test can bring about, each with its reason. */
const exceptions: Record<string, string> = {
  'getHealth 500': 'whatever fails in the health check is its 503; 500 is declared for bugs',
  'getLiveness 500': 'it does nothing that could fail; 500 is declared for bugs',
}

/** Prints the table of what `seenFile` has; false where a declared response was never seen, or an exception was. */
export async function reportCoverage(seenFile: string): Promise<boolean> {
  const seen = new Set((await readFile(seenFile, 'utf8').catch(() => '')).split('\n'))
  // `default` stands for statuses of later versions, which this one never sends.
  const statuses = [...new Set(operations.flatMap(({ responses }) => Object.keys(responses)))]
    .filter(status => status !== 'default')
    .sort()
  const width = Math.max(...operations.map(({ operationId }) => operationId.length))
  const missing: string[] = []

  const cell = (operationId: string, status: string, declared: boolean): string => {
    const key = `${operationId} ${status}`
    if (!declared) return '   '
    if (seen.has(key) === (exceptions[key] === undefined)) return seen.has(key) ? ' + ' : ' e '
    missing.push(key)
    return ' ? '
  }
  console.log(`\nContract coverage: + seen, ? declared and not seen, e exception\n`)
  console.log(`${' '.repeat(width)} ${statuses.map(status => ` ${status}`).join('')}`)
  for (const { operationId, responses } of operations) {
    const cells = statuses.map(status => ` ${cell(operationId, status, status in responses)}`)
    console.log(`${operationId.padEnd(width)} ${cells.join('')}`)
  }
  for (const [key, reason] of Object.entries(exceptions)) console.log(`e ${key}: ${reason}`)
  if (missing.length > 0) console.log(`\nNever seen, or an exception that was: ${missing.join(', ')}`)
  return missing.length === 0
}
