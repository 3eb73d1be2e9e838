/**
 * The tables in a database of Citus, the extension that distributes tables over several servers. Those whose key starts
 * with user_id are distributed by it and co-located: the rows of a user are on one server. The others stay local, on
 * the coordinator.
 */
import { type Kysely, sql } from 'kysely'
import { hasCitus } from './citus.ts'
import type { Tables } from './tables.ts'

/** A table whose primary key starts with user_id. */
export interface UserTable {
  name: string
  /** For people, such as `12 MB`. */
  size: string
  /** Estimated by the last analyze; 0 if unknown. */
  rows: number
  isDistributed: boolean
  /** Whether Citus knows the table, distributed or not. */
  isKnown: boolean
}

/** Whether `c` is a table that Citus has copied and will drop. */
const isOriginal = sql`
  exists (select from pg_dist_cleanup where object_name = format('%I.%I', current_schema(), c.relname))`

/** The tables to distribute, and those that are; the largest first. */
export async function findUserTables(db: Kysely<Tables>): Promise<UserTable[]> {
  const { rows } = await sql<UserTable>`
    select name, pg_size_pretty(bytes) as size, rows, "isDistributed", "isKnown"
    from (
      select c.oid::regclass::text as name, greatest(c.reltuples, 0)::bigint as rows,
        case when p.logicalrelid is null then pg_total_relation_size(c.oid) else citus_total_relation_size(c.oid) end
          as bytes,
        coalesce(p.partmethod = 'h', false) as "isDistributed", p.logicalrelid is not null as "isKnown"
      from pg_class as c
      join pg_index as i on i.indrelid = c.oid and i.indisprimary
      join pg_attribute as a on a.attrelid = c.oid and a.attnum = i.indkey[0] and a.attname = 'user_id'
      left join pg_dist_partition as p on p.logicalrelid = c.oid
      where c.relnamespace = current_schema()::regnamespace and not ${isOriginal}
    ) as tables
    order by bytes desc, name`.execute(db)
  return rows
}

/**
 * Distributes the tables that Citus does not know yet, if others are distributed: a migration has just created them.
 * Does nothing in any other database.
 */
export async function distributeNew(db: Kysely<Tables>): Promise<void> {
  if (!(await hasCitus(db))) return
  const tables = await findUserTables(db)
  const distributed = tables.find(({ isDistributed }) => isDistributed)
  if (distributed === undefined) return
  for (const { name } of tables.filter(({ isKnown }) => !isKnown)) {
    await sql`select create_distributed_table(${name}::regclass, 'user_id', colocate_with => ${distributed.name})`.execute(
      db,
    )
    await truncateLeftover(db, name)
  }
}

/** Frees the space of rows that `create_distributed_table` has copied: it leaves the originals, out of sight. */
export async function truncateLeftover(db: Kysely<Tables>, name: string): Promise<void> {
  await sql`
    select truncate_local_data_after_distributing_table(relation) from (select ${name}::regclass as relation) as t
    where pg_relation_size(relation) > 0`.execute(db)
}

/** The servers that hold shards, as `host:port`. */
export async function findNodes(db: Kysely<Tables>): Promise<string[]> {
  const { rows } = await sql<{ node: string }>`
    select nodename || ':' || nodeport as node from pg_dist_node
    where shouldhaveshards and isactive and noderole = 'primary' order by nodeid`.execute(db)
  return rows.map(({ node }) => node)
}

/** The number of shards of a distributed table; without one, the number that a new table gets. */
export async function countShards(db: Kysely<Tables>, distributed: string | undefined): Promise<number> {
  const { rows } = await sql<{ count: number }>`${
    distributed === undefined
      ? sql`select current_setting('citus.shard_count')::int as count`
      : sql`select count(*)::int as count from pg_dist_shard where logicalrelid = ${distributed}::regclass`
  }`.execute(db)
  return (rows[0] as { count: number }).count
}

/**
 * One line for each table: how it is distributed, over how many shards, and on which servers. No lines if no table is
 * distributed.
 */
export async function describeDistribution(db: Kysely<Tables>): Promise<string[]> {
  if (!(await hasCitus(db))) return []
  const { rows } = await sql<{ name: string; shards: number; nodes: string }>`
    select c.oid::regclass::text as name, sum(n.shards)::int as shards,
      string_agg(format('%s: %s shards, %s', n.node, n.shards, pg_size_pretty(n.bytes)), E'\t' order by n.node) as nodes
    from pg_class as c
    left join (
      select table_name, nodename || ':' || nodeport as node, count(*) as shards, sum(shard_size)::bigint as bytes
      from citus_shards where citus_table_type = 'distributed'
      group by 1, 2
    ) as n on n.table_name = c.oid
    where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' and not ${isOriginal}
    group by c.oid
    order by name`.execute(db)
  if (rows.every(({ shards }) => shards === null)) return []
  return rows.map(({ name, shards, nodes }) =>
    shards === null
      ? `${name}\tlocal, on the coordinator`
      : `${name}\tdistributed by user_id, ${shards} shards\t${nodes}`,
  )
}
