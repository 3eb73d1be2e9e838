/**
 * What bounds the cost of each user: counts for quotas, the epoch of sync tokens, and indexes that do not walk the
 * trash.
 */
import { type Kysely, sql } from 'kysely'

const sortKeys = ['created_at', 'updated_at', 'title']

export async function up(db: Kysely<any>): Promise<void> {
  // In the order in which most requests lock: keys, tasks, counters. Until the indexes are dropped, tasks can be read.

  // What the key counts for in key_bytes; keys from before count for nothing.
  await db.schema
    .alterTable('idempotency_key')
    .addColumn('stored_bytes', 'integer', column => column.notNull().defaultTo(0))
    .execute()
  await db.schema
    .createIndex('idempotency_key_purge_idx')
    .on('idempotency_key')
    .columns(['created_at', 'user_id', 'key'])
    .execute()

  // A snapshot of the changes reads live tasks only, whatever the size of the trash.
  await db.schema
    .createIndex('task_live_revision_idx')
    .on('task')
    .columns(['user_id', 'revision'])
    .where(sql.ref('deleted_at'), 'is', null)
    .execute()
  await db.schema
    .createIndex('task_deleted_revision_idx')
    .on('task')
    .columns(['user_id', 'revision'])
    .where(sql.ref('deleted_at'), 'is not', null)
    .execute()

  // The trash, with the filter on completed; without it a page is merged from the two ranges.
  for (const key of sortKeys) {
    await db.schema
      .createIndex(`task_deleted_completed_${key}_idx`)
      .on('task')
      .columns(['user_id', 'completed', `${key} desc`, 'id desc'])
      .where('deleted_at', 'is not', null)
      .execute()
  }

  // A user's oldest tombstones, which go first where there are too many.
  await db.schema
    .createIndex('task_oldest_tombstone_idx')
    .on('task')
    .columns(['user_id', 'deleted_at', 'id'])
    .where('deleted_at', 'is not', null)
    .execute()

  // Purging continues after the last row of a chunk, so that rows which cannot be deleted do not hold up the others.
  await db.schema
    .createIndex('task_purge_idx')
    .on('task')
    .columns(['deleted_at', 'user_id', 'id'])
    .where('deleted_at', 'is not', null)
    .execute()

  // Every write locks this row already, so counting costs no statement.
  await db.schema
    .alterTable('user_clock')
    .addColumn('live', 'bigint', column => column.notNull().defaultTo(0))
    .addColumn('tombstones', 'bigint', column => column.notNull().defaultTo(0))
    .addColumn('key_bytes', 'bigint', column => column.notNull().defaultTo(0))
    // 0 is the epoch of tokens that were issued before there were epochs; rows made from now on have a random one.
    .addColumn('epoch', 'bigint', column => column.notNull().defaultTo(0))
    .execute()
  await sql`
    update user_clock as c set live = counted.live, tombstones = counted.tombstones
    from (
      select user_id, count(*) filter (where deleted_at is null) as live,
        count(*) filter (where deleted_at is not null) as tombstones
      from task
      group by user_id
    ) as counted
    where counted.user_id = c.user_id`.execute(db)

  await db.schema.dropIndex('task_revision_idx').execute()
  await db.schema.dropIndex('task_deleted_at_idx').execute()
  await db.schema.dropIndex('idempotency_key_created_at_idx').execute()
  for (const key of sortKeys) await db.schema.dropIndex(`task_deleted_${key}_idx`).execute()
}

export async function down(db: Kysely<any>): Promise<void> {
  await db.schema.createIndex('idempotency_key_created_at_idx').on('idempotency_key').columns(['created_at']).execute()
  await db.schema.dropIndex('idempotency_key_purge_idx').execute()
  await db.schema
    .createIndex('task_deleted_at_idx')
    .on('task')
    .columns(['deleted_at'])
    .where('deleted_at', 'is not', null)
    .execute()
  await db.schema.dropIndex('task_purge_idx').execute()
  await db.schema.dropIndex('task_oldest_tombstone_idx').execute()
  for (const key of sortKeys) {
    await db.schema
      .createIndex(`task_deleted_${key}_idx`)
      .on('task')
      .columns(['user_id', `${key} desc`, 'id desc'])
      .where('deleted_at', 'is not', null)
      .execute()
    await db.schema.dropIndex(`task_deleted_completed_${key}_idx`).execute()
  }
  await db.schema.createIndex('task_revision_idx').on('task').columns(['user_id', 'revision']).execute()
  await db.schema.dropIndex('task_deleted_revision_idx').execute()
  await db.schema.dropIndex('task_live_revision_idx').execute()
  await db.schema.alterTable('idempotency_key').dropColumn('stored_bytes').execute()
  for (const column of ['epoch', 'key_bytes', 'tombstones', 'live']) {
    await db.schema.alterTable('user_clock').dropColumn(column).execute()
  }
}
