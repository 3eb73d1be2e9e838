/** Tasks, the clock that numbers each user's writes, and the row that the health check writes. */
import { type Kysely, sql } from 'kysely'

// Every key starts with user_id, so that the tables can be distributed by it.
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema
    .createTable('user_clock')
    .addColumn('user_id', 'text', column => column.primaryKey())
    .addColumn('revision', 'bigint', column => column.notNull())
    .execute()

  await db.schema
    .createTable('task')
    .addColumn('user_id', 'text', column => column.notNull())
    .addColumn('id', 'uuid', column => column.notNull())
    // "C" orders by code point, the same on every machine and in every version of its C library.
    .addColumn('title', sql`text collate "C"`, column => column.notNull())
    .addColumn('description', 'text')
    .addColumn('completed', 'boolean', column => column.notNull())
    .addColumn('completed_at', 'timestamptz(3)')
    .addColumn('created_at', 'timestamptz(3)', column => column.notNull())
    .addColumn('updated_at', 'timestamptz(3)', column => column.notNull())
    .addColumn('revision', 'bigint', column => column.notNull())
    .addColumn('deleted_at', 'timestamptz(3)')
    .addPrimaryKeyConstraint('task_pkey', ['user_id', 'id'])
    .addCheckConstraint('task_completed_at_check', sql`completed = (completed_at is not null)`)
    .execute()

  // A page is one range of one index, with and without the filter on completed.
  for (const key of ['created_at', 'updated_at', 'title']) {
    await db.schema
      .createIndex(`task_${key}_idx`)
      .on('task')
      .columns(['user_id', `${key} desc`, 'id desc'])
      .where('deleted_at', 'is', null)
      .execute()
    await db.schema
      .createIndex(`task_completed_${key}_idx`)
      .on('task')
      .columns(['user_id', 'completed', `${key} desc`, 'id desc'])
      .where('deleted_at', 'is', null)
      .execute()
  }

  await db.schema
    .createTable('heartbeat')
    .addColumn('id', 'smallint', column => column.primaryKey())
    .addColumn('beaten_at', 'timestamptz(3)', column => column.notNull())
    .execute()
}

export async function down(db: Kysely<any>): Promise<void> {
  await db.schema.dropTable('heartbeat').execute()
  await db.schema.dropTable('task').execute()
  await db.schema.dropTable('user_clock').execute()
}
