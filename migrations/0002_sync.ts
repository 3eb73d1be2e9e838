/**
 * What clients that retry and synchronise need: the order of changes, the trash, keys of requests that were done, and
 * when what is old was purged.
 */
import { type Kysely, sql } from 'kysely'

const sortKeys = ['created_at', 'updated_at', 'title']

export async function up(db: Kysely<any>): Promise<void> {
  // The change feed is a range of this one.
  await db.schema.createIndex('task_revision_idx').on('task').columns(['user_id', 'revision']).execute()

  // The trash, in the orders of the list. Live tasks are in none of these.
  for (const key of sortKeys) {
    await db.schema
      .createIndex(`task_deleted_${key}_idx`)
      .on('task')
      .columns(['user_id', `${key} desc`, 'id desc'])
      .where('deleted_at', 'is not', null)
      .execute()
  }

  // For purging, which looks for the oldest of all users.
  await db.schema
    .createIndex('task_deleted_at_idx')
    .on('task')
    .columns(['deleted_at'])
    .where('deleted_at', 'is not', null)
    .execute()

  // The newest of the user's tombstones that are purged: whoever has not seen that revision cannot learn of it any
  // more.
  await db.schema
    .alterTable('user_clock')
    .addColumn('purged_revision', 'bigint', column => column.notNull().defaultTo(0))
    .execute()

  await db.schema
    .createTable('idempotency_key')
    .addColumn('user_id', 'text', column => column.notNull())
    .addColumn('key', sql`text collate "C"`, column => column.notNull())
    .addColumn('fingerprint', 'text', column => column.notNull())
    // What was answered; null while the request is at work, which only its own transaction sees.
    .addColumn('status', 'smallint')
    .addColumn('headers', 'jsonb')
    .addColumn('body', 'text')
    .addColumn('created_at', 'timestamptz(3)', column => column.notNull())
    .addPrimaryKeyConstraint('idempotency_key_pkey', ['user_id', 'key'])
    .execute()
  await db.schema.createIndex('idempotency_key_created_at_idx').on('idempotency_key').columns(['created_at']).execute()

  // Work in the background, which one replica at a time does.
  await db.schema
    .createTable('job')
    .addColumn('name', 'text', column => column.primaryKey())
    .addColumn('not_before', 'timestamptz(3)', column => column.notNull())
    .execute()
}

export async function down(db: Kysely<any>): Promise<void> {
  await db.schema.dropTable('job').execute()
  await db.schema.dropTable('idempotency_key').execute()
  await db.schema.alterTable('user_clock').dropColumn('purged_revision').execute()
  await db.schema.dropIndex('task_deleted_at_idx').execute()
  for (const key of sortKeys) await db.schema.dropIndex(`task_deleted_${key}_idx`).execute()
  await db.schema.dropIndex('task_revision_idx').execute()
}
