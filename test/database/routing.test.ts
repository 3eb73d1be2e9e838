/** What Citus needs of the statements to send each to the one server that has the user's rows. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import { countParts } from '../../scripts/support/explain.ts'
import { onCitus, ownDatabase, randomUser, startService } from '../../scripts/support/service.ts'
import { collectStatements } from '../../scripts/support/statements.ts'
import { usesOfStatements } from '../support/uses.ts'

const service = await startService({ config: ownDatabase })
t.teardown(() => service[Symbol.asyncDispose]())
const statements = await collectStatements(service)

/** Work in the background and commands, which look at all users in bounded parts. */
const ALL_USERS = ['purge_find_tombstones', 'purge_find_keys', 'time_zones_find_users', 'user_renew_epoch']
/** On tables that belong to no user. */
const NO_USER = ['heartbeat', 'job_claim', 'job_keep', 'time_zones_find_rows', 'time_zones_record_run']

t.test('every other statement names the user for each table that it reads or writes', async t => {
  const names = statements.map(({ name }) => name)
  for (const name of [...ALL_USERS, ...NO_USER]) t.ok(names.includes(name), `${name} is sent`)
  for (const { name, text } of statements) {
    if (ALL_USERS.includes(name) || NO_USER.includes(name)) continue
    const tables = text.match(/\b(from|update|into) "?(task|user_clock|idempotency_key)\b(?!"?\.)/g) ?? []
    const users = text.match(/user_id"? = \$\d+|user_id\b[^()]*\)\s+(values \(|select )\$\d+/g) ?? []
    t.ok(tables.length > 0, `${name} has tables of users`)
    t.ok(users.length >= tables.length, `${name}: ${tables.length} tables, ${users.length} times the user`)
  }
})

t.test('no statement depends on the time or the chance of the server that executes it', async t => {
  for (const { name, text } of statements) {
    t.notMatch(text, /\b(now|clock_timestamp|statement_timestamp|random|gen_random_uuid)\s*\(|current_/i, name)
  }
})

t.test('sessions have no settings of the planner', async t => {
  const settings = sql`
    select name from pg_settings where source = 'session' and category like 'Query Tuning%'`
  t.same((await settings.execute(service.database.kysely)).rows, [])
})

t.test(
  'Citus carries each out in one part, on the server of the user',
  { skip: !onCitus && 'needs Citus' },
  async t => {
    const ids = { live: [randomUUID()], deleted: [randomUUID()], keysOfUser: ['key'] }
    const { reads, writes } = usesOfStatements({ user: randomUser(), count: { live: 1, tombstones: 1 }, ...ids })
    const noUser = ['claim', 'keep', 'findRows', 'recordRun', 'writeHeartbeat']
    const allUsers = ['findTombstones', 'findKeys', 'findUsers', 'renewEpoch']
    await service.database.migrate(async db => {
      for (const [name, [, use]] of Object.entries({ ...reads, ...writes })) {
        // In one statement a task is created only where there is no Citus.
        if (name === 'insert') continue
        const [count = 0] = await countParts(db, use)
        if (allUsers.includes(name)) t.ok(count > 1, `${name} looks at all users`)
        else t.equal(count, noUser.includes(name) ? 0 : 1, name)
      }
    })
  },
)
