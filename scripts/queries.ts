/** `docs/queries.md`: what every statement's plan is. */
import { strict } from 'node:assert'
import { startService, type Test, temporaryFolder } from '../test/helper/service.ts'
import { collectStatements, explain, seed } from '../test/helper/statements.ts'

/** The page, from an embedded database that is new. */
export async function queriesPage(): Promise<string> {
  const cleanUp: (() => unknown)[] = []
  const own: Test = { teardown: undo => cleanUp.push(undo), same: strict.deepEqual }
  try {
    const config = { databaseUrl: undefined, dataDir: await temporaryFolder(own), poolSize: 1 }
    const service = await startService(own, { config })
    const statements = await collectStatements(service)
    await seed(service.database.kysely)
    const sections = Map.groupBy(statements, ({ sender }) => sender)
    const lines = [
      ...['# Queries', ''],
      'Every statement of the service and its plan, under the operation that is the first here to send it; written by `npm run generate` with the',
      'embedded database. Sessions ask for one plan for all values, along an index (`src/database/session.ts`). None reads a whole table, and none',
      'sorts more than one page; that this is so on PostgreSQL, too, is tested.',
    ]
    for (const [sender, statements] of sections) {
      lines.push('', `## ${sender}`)
      for (const { name, text } of statements) {
        const plan = await explain(service.database.kysely, text)
        lines.push('', `### ${name}`, '', '```sql', ...linesOf(text), '```', '', '```text', ...plan, '```')
      }
    }
    return `${lines.join('\n')}\n`
  } finally {
    for (const undo of cleanUp.reverse()) await undo()
  }
}

/** A statement for people: without the indentation that it has in the code, or broken where Kysely does not break it. */
function linesOf(text: string): string[] {
  if (!text.includes('\n')) {
    return text.split(/ (?=(?:from|where|and|order by|limit|for update|values|on conflict|returning) )/)
  }
  const lines = text.split('\n').filter(line => line.trim() !== '')
  const indentation = Math.min(...lines.map(line => line.search(/\S/)))
  return lines.map(line => line.slice(indentation).trimEnd())
}
