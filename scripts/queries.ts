/** `docs/queries.md`: what every statement's plan is. */
import { type Kysely, sql } from 'kysely'
import type { Tables } from '../src/database/tables.ts'
import { explain } from './support/explain.ts'
import { temporaryFolder } from './support/folder.ts'
import { startService } from './support/service.ts'
import { collectStatements } from './support/statements.ts'

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

/**
 * Makes tasks and keys of many users, and lets the database count them: as many as it counts without leaving any out.
 */
async function seed(db: Kysely<Tables>): Promise<void> {
  await sql`insert into user_clock (user_id, revision) select 'user ' || number, 100 from generate_series(1, 20000) as number`.execute(
    db,
  )
  await sql`
    insert into task (user_id, id, title, completed, completed_at, created_at, updated_at, deleted_at, revision)
    select 'user ' || number % 200, gen_random_uuid(), md5(number::text), number % 3 = 0, case when number % 3 = 0 then now() end,
      now() - number * interval '1 minute', now() - number * interval '1 second',
      case when number % 10 = 0 then now() - number * interval '1 minute' end, number / 200
    from generate_series(1, 20000) as number`.execute(db)
  await sql`
    insert into idempotency_key (user_id, key, fingerprint, created_at)
    select 'user ' || number % 200, md5(number::text), '', now() - number * interval '1 minute' from generate_series(1, 20000) as number`.execute(
    db,
  )
  await sql`vacuum analyze`.execute(db)
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

/**
 * A statement for people: without the indentation that it has in the code, or broken where Kysely does not break it.
 */
function linesOf(text: string): string[] {
  if (!text.includes('\n')) {
    return text.split(/ (?=(?:from|where|and|order by|limit|for update|values|on conflict|returning) )/)
  }
  const lines = text.split('\n').filter(line => line.trim() !== '')
  const indentation = Math.min(...lines.map(line => line.search(/\S/)))
  return lines.map(line => line.slice(indentation).trimEnd())
}
