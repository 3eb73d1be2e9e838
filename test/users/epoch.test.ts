/** `npm run epoch`: after a restore from a backup no client misses a change in silence. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import t from 'tap'
import { findBinaries } from '../../scripts/support/cluster.ts'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { environment } from '../../scripts/support/process.ts'
import { ownDatabase, randomUser, type Service, silent, startService } from '../../scripts/support/service.ts'
import { openDatabase } from '../../src/database/open.ts'
import { renewEpochs } from '../../src/users/epoch.ts'

const run = promisify(execFile)
const { DATABASE_URL: _, ...inherited } = process.env
const script = fileURLToPath(new URL('../../src/commands/epoch.ts', import.meta.url))

const tokenOf = async ({ call }: Pick<Service, 'call'>, user: string): Promise<string> =>
  (await call('GET', `/api/${user}/changes`)).body.next

t.test('after a real backup and restore every client starts anew, and no revision is given twice', async t => {
  const config = await ownDatabase(t)
  await using folder = await temporaryFolder()
  const { databaseUrl, dataDir } = config
  const bin = (name: string) => join(findBinaries() ?? '', name)
  const dump = join(folder.path, 'tasks.dump')
  // As docs/operations.md has it.
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
  const user = randomUser()
  let kept = ''
  let lost = { token: '', revision: 0 }

  await t.test('before the backup', async () => {
    await using service = await startService({ config })
    await service.create(user)
    kept = await tokenOf(service, user)
  })
  await backUp()
  await t.test('what the backup does not have', async () => {
    await using service = await startService({ config })
    await service.create(user, { title: 'Lost' })
    const { revision } = await service.create(user, { title: 'Lost' })
    lost = { token: await tokenOf(service, user), revision }
  })
  await restore()
  const { stdout } = await run(process.execPath, [script], { env: { ...inherited, ...environment(config) } })
  t.match(stdout, /^1 users have a new epoch$/m)

  await using service = await startService({ config })
  const { call, create } = service
  for (const token of [kept, lost.token]) {
    const { status, body } = await call('GET', `/api/${user}/changes?since=${token}`)
    t.match([status, body.code], [410, 'sync_token_expired'])
  }
  const { body } = await call('GET', `/api/${user}/changes`)
  t.equal(body.data.length, 1, 'a snapshot is the way out')
  const task = await create(user)
  t.ok(task.revision > lost.revision)
  t.match((await call('GET', `/api/${user}/changes?since=${body.next}`)).body, { data: [{ id: task.id }] })
})

t.test('a token from before there were epochs is as good as it was, until there is a new one', async t => {
  await using config = await ownDatabase()
  await using service = await startService({ config })
  const { call, create, database } = service
  const user = 'alice'
  await create(user)
  await sql`update user_clock set epoch = 0`.execute(database.kysely)
  // Position and since are 1; made by the version without epochs.
  const old = 'AAAAAAAAAAEAAAAAAAAAAd_0rEL3VQ'
  t.match((await call('GET', `/api/${user}/changes?since=${old}`)).body, { data: [], has_more: false })
  await renewEpochs(database.kysely, () => undefined)
  t.equal((await call('GET', `/api/${user}/changes?since=${old}`)).status, 410)
})

t.test('many users get theirs in chunks', async t => {
  const database = await openDatabase(await ownDatabase(t), silent)
  t.teardown(() => database.close())
  await database.prepare(new AbortController().signal)
  await sql`
    insert into user_clock (user_id, revision)
    select case when number % 2 = 0 then 'User ' else 'user-' end || number, number
    from generate_series(1, 2500) as number`.execute(database.kysely)
  const progress: number[] = []
  await renewEpochs(database.kysely, users => progress.push(users))
  t.same(progress, [1000, 2000, 2500])
  const { rows } = await sql`
    select count(*) as users, count(distinct epoch) as epochs, min(revision) > 4294967296 as moved
    from user_clock where epoch > 0`.execute(database.kysely)
  t.same(rows, [{ users: 2500, epochs: 1, moved: true }])
})
