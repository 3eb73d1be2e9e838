/** `npm run epoch` invalidates all sync tokens, so that after a restore from a backup clients start again. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import t from 'tap'
import { findBinaries } from '../../scripts/support/cluster.ts'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { environment } from '../../scripts/support/process.ts'
import { ownDatabase, randomUser, startService } from '../../scripts/support/service.ts'
import { renewEpochs } from '../../src/users/epoch.ts'

const run = promisify(execFile)
const { DATABASE_URL: _, ...inherited } = process.env
const script = fileURLToPath(new URL('../../src/commands/epoch.ts', import.meta.url))

t.test('after a backup, a restore and `npm run epoch`, every token is 410 and no revision is used twice', async t => {
  await using config = await ownDatabase()
  await using folder = await temporaryFolder()
  const { databaseUrl, dataDir } = config
  const bin = (name: string) => join(findBinaries() ?? '', name)
  const dump = join(folder.path, 'tasks.dump')
  // As in docs/operations.md.
  const backUp = () =>
    databaseUrl === undefined
      ? run('tar', ['-czf', dump, '-C', dataDir, '.'])
      : run(bin('pg_dump'), ['--format=custom', `--file=${dump}`, databaseUrl])
  const restore = () =>
    databaseUrl === undefined
      ? run('tar', ['-xzf', dump, '-C', dataDir, '--recursive-unlink'])
      : run(bin('pg_restore'), [
          ...['--clean', '--if-exists', '--single-transaction', '--no-owner', `--dbname=${databaseUrl}`, dump],
        ])
  const id = randomUser()
  let kept = ''
  let lost = { token: '', revision: 0 }

  // Before the backup.
  {
    await using service = await startService({ config })
    const alice = await service.newUser({ id })
    await alice.createTask({ title: 'Kept' })
    kept = (await alice.listChanges()).next_sync_token
  }
  await backUp()
  // Not in the backup.
  {
    await using service = await startService({ config })
    const alice = await service.newUser({ id })
    await alice.createTask({ title: 'Lost' })
    const { revision } = await alice.createTask({ title: 'Lost' })
    lost = { token: (await alice.listChanges()).next_sync_token, revision }
  }
  await restore()
  const { stdout } = await run(process.execPath, [script], { env: { ...inherited, ...environment(config) } })
  t.match(stdout, /^1 users have a new epoch$/m)

  await using service = await startService({ config })
  const alice = await service.newUser({ id })
  for (const sync_token of [kept, lost.token]) {
    t.match(await alice.send.listChanges({ query: { sync_token } }), {
      status: 410,
      body: { code: 'sync_token_expired' },
    })
  }
  const { data, next_sync_token } = await alice.listChanges()
  t.equal(data.length, 1, 'listChanges without a token returns the restored task')
  const task = await alice.createTask({ title: 'New' })
  t.ok(task.revision > lost.revision)
  t.match(await alice.listChanges({ query: { sync_token: next_sync_token } }), { data: [{ id: task.id }] })
})

t.test('a token from a version without epochs is valid until the epoch is renewed', async t => {
  await using service = await startService({ config: ownDatabase })
  const { kysely } = service.database
  const alice = await service.newUser({ id: 'alice' })
  await alice.createTask({ title: 'T' })
  await sql`update user_clock set epoch = 0`.execute(kysely)
  // Its position and its `since` are 1.
  const query = { sync_token: 'AAAAAAAAAAEAAAAAAAAAAd_0rEL3VQ' }
  t.match(await alice.listChanges({ query }), { data: [], has_more: false })
  await renewEpochs(kysely, () => undefined)
  t.equal((await alice.send.listChanges({ query })).status, 410)
})

t.test('renewEpochs updates users in chunks', async t => {
  await using service = await startService({ config: ownDatabase })
  const { kysely } = service.database
  await sql`
    insert into user_clock (user_id, revision)
    select case when number % 2 = 0 then 'User ' else 'user-' end || number, number
    from generate_series(1, 2500) as number`.execute(kysely)
  const progress: number[] = []
  await renewEpochs(kysely, users => progress.push(users))
  t.same(progress, [1000, 2000, 2500])
  const { rows } = await sql`
    select count(*) as users, count(distinct epoch) as epochs, min(revision) > 4294967296 as moved
    from user_clock where epoch > 0`.execute(kysely)
  t.same(rows, [{ users: 2500, epochs: 1, moved: true }])
})
