/** Data folders and embedded databases with which the real process refuses to start. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { temporaryFolder } from '../scripts/support/folder.ts'
import { runToExit, startProcess, untilHealthy } from '../scripts/support/process.ts'
import { client } from '../scripts/support/service.ts'
import { lockFolder } from '../src/database/lock.ts'

t.test('a data folder that is a file ends the start with one sentence', async t => {
  await using temporary = await temporaryFolder()
  const folder = temporary.path
  await writeFile(join(folder, 'file'), '')
  const { code, stderr } = await runToExit({ DATA_DIR: join(folder, 'file') })
  t.equal(code, 1)
  t.match(stderr, /^The data folder \/.*\/file cannot be used: .*\.\n$/)
})

t.test('a data folder that cannot be created ends the start with one sentence', async t => {
  await using temporary = await temporaryFolder()
  const folder = temporary.path
  await writeFile(join(folder, 'file'), '')
  // Node's own recursive mkdir would never return for the first of these.
  const inProc = process.platform === 'linux' ? ['/proc/x', '/proc/x/y'] : []
  for (const DATA_DIR of [...inProc, join(folder, 'file/x/y')]) {
    const { code, stderr } = await runToExit({ DATA_DIR })
    t.equal(code, 1)
    t.match(stderr, /^The data folder \/.* cannot be used: .*\.\n$/, DATA_DIR)
  }
})

t.test('a second process on a data folder refuses to start, and the first one keeps its data', async t => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'data')
  await using service = await startProcess({ DATA_DIR: dataDir })
  const { origin, child: owner, end } = service
  await untilHealthy(origin)
  const alice = await client(origin).newUser()
  const task = await alice.createTask({ title: 'First' })

  const { code, stderr } = await runToExit({ DATA_DIR: dataDir })
  t.equal(code, 1)
  t.match(stderr, `The data folder ${dataDir} is in use by process ${owner.pid} on `)
  t.equal(stderr.trim().split('\n').length, 1)

  const second = await alice.createTask({ title: 'Second' })
  await end('SIGKILL')
  await using successor = await startProcess({ DATA_DIR: dataDir })
  await untilHealthy(successor.origin)
  const { listTasks } = await client(successor.origin).newUser({ id: alice.id })
  const { data } = await listTasks({ query: { sort: 'created_at.asc' } })
  t.same(data, [task, second], 'the lock of a killed process is released, and its tasks remain')
})

t.test('a data folder locked by an unknown process ends the start with one sentence', async t => {
  await using folder = await temporaryFolder()
  const dataDir = folder.path
  await using stack = new AsyncDisposableStack()
  stack.defer(await lockFolder(dataDir))
  for (const change of [() => writeFile(join(dataDir, 'owner'), ''), () => rm(join(dataDir, 'owner'))]) {
    await change()
    const { code, stderr } = await runToExit({ DATA_DIR: dataDir })
    t.equal(code, 1)
    t.match(stderr, `The data folder ${dataDir} is in use by another process. `)
    t.equal(stderr.trim().split('\n').length, 1)
  }
})

t.test('a database that cannot be created or read ends the start with one sentence', async t => {
  await using occupied = await temporaryFolder()
  await mkdir(join(occupied.path, 'pglite'))
  await writeFile(join(occupied.path, 'pglite', 'something'), '')
  const made = await runToExit({ DATA_DIR: occupied.path })
  t.equal(made.code, 1)
  t.match(made.stderr, /^The database in \/.*\/pglite cannot be opened: ENOTEMPTY.*\.\n$/)

  await using file = await temporaryFolder()
  await writeFile(join(file.path, 'pglite'), '')
  const read = await runToExit({ DATA_DIR: file.path })
  t.equal(read.code, 1)
  t.match(read.stderr, /^The data folder cannot be read: ENOTDIR.*\.\n$/)
})

t.test('a database of another major version ends the start with an explanation and is left as it is', async t => {
  await using folder = await temporaryFolder()
  const dataDir = folder.path
  await mkdir(join(dataDir, 'pglite'))
  await writeFile(join(dataDir, 'pglite', 'PG_VERSION'), '16\n')
  const { code, stderr } = await runToExit({ DATA_DIR: dataDir })
  t.equal(code, 1)
  t.match(stderr, /was created by PostgreSQL 16, but this PGlite opens only version 18/)
  t.equal(await readFile(join(dataDir, 'pglite', 'PG_VERSION'), 'utf8'), '16\n', 'the version is unchanged')
})
