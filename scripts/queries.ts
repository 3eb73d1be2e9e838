/** `docs/queries.md`: what every statement's plan is. */
import { type Kysely, sql } from 'kysely'
import type { Tables } from '../src/database/tables.ts'
import { startService, temporaryFolder } from './support/service.ts'
import { collectStatements, explain, seed } from './support/statements.ts'

/** The page, from an embedded database that is new. */
export async function queriesPage(): Promise<string> {
  await using folder = await temporaryFolder()
  await using service = await startService({ config: { databaseUrl: undefined, dataDir: folder.path, poolSize: 1 } })
  const statements = await collectStatements(service)
  await seed(service.database.kysely)
  const sections = Map.groupBy(statements, ({ sender }) => sender)
  const lines = [
    ...['# Queries', ''],
    'Every index, and every named statement with the plan that serves all values, under the operation that is the first',
    'here to send it; written by `npm run generate` with the embedded database. PostgreSQL may plan a statement for its',
    'values instead. Either way it reads a small multiple of what it returns, whether the tables were ever analyzed or',
    'not: that is tested (`test/database/plans.test.ts`). What makes it so is in `src/database/planning.ts`. Lists of the',
    'trash have no name; they are planned each time.',
    ...['', '## Indexes', ''],
    'A write of a live task makes an entry in the primary key and in each index of live tasks; the others hold deleted',
    'ones. A list is one range of an index for each value of `completed`, so an unfiltered page is merged from two.',
    ...['', '| index | of | for |', '| --- | --- | --- |'],
    ...(await indexRows(service.database.kysely)),
  ]
  for (const [sender, statements] of sections) {
    lines.push('', `## ${sender}`)
    for (const { name, text } of statements) {
      const plan = await explain(service.database.kysely, text)
      lines.push('', `### ${name}`, '', '```sql', ...linesOf(text), '```', '', '```text', ...plan, '```')
    }
  }
  return `${lines.join('\n')}\n`
}

async function indexRows(db: Kysely<Tables>): Promise<string[]> {
  const { rows } = await sql<{ name: string; definition: string; purpose: string }>`
    select indexrelid::regclass as name, obj_description(indexrelid) as purpose,
      regexp_replace(pg_get_indexdef(indexrelid), '^.* ON public\\.(.*) USING btree ', '\\1 ') as definition
    from pg_index
    where indrelid in ('task'::regclass, 'user_clock'::regclass, 'idempotency_key'::regclass)
    order by indrelid::regclass::text desc, indisprimary desc, 1`.execute(db)
  return rows.map(({ name, definition, purpose }) => `| \`${name}\` | \`${definition}\` | ${purpose} |`)
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
