/** The files of the embedded database. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openDatabase } from '../../src/database/open.ts'
import { StartError } from '../../src/start-error.ts'
import { silent, temporaryFolder } from '../helper/service.ts'

const open = (dataDir: string) => openDatabase({ databaseUrl: undefined, dataDir, poolSize: 3 }, silent)

t.test('a new database is made whole or not at all', async t => {
  const dataDir = join(await temporaryFolder(t), 'not', 'there', 'yet')
  await mkdir(join(dataDir, 'pglite.new'), { recursive: true })
  await writeFile(join(dataDir, 'pglite.new', 'half'), 'what a crash left behind')
  const database = await open(dataDir)
  t.notOk(database.ready)
  await database.prepare(new AbortController().signal)
  t.ok(database.ready)
  t.same((await readdir(dataDir)).sort(), ['lock', 'owner', 'pglite'])
  await t.rejects(open(dataDir), { message: /is in use by process \d+ on / }, 'not even this process opens it twice')
  await database.close()
  await (await open(dataDir)).close()
})

t.test('files that are no database are refused, and the folder is free again', async t => {
  const dataDir = await temporaryFolder(t)
  await mkdir(join(dataDir, 'pglite', 'PG_VERSION'), { recursive: true })
  await t.rejects(open(dataDir), { message: /^The data folder cannot be read: EISDIR/ })
  const broken = await temporaryFolder(t)
  await mkdir(join(broken, 'pglite'))
  await writeFile(join(broken, 'pglite', 'PG_VERSION'), '18\n')
  for (const attempt of [1, 2]) {
    await t.rejects(open(broken), { message: /cannot be opened/, constructor: StartError }, `attempt ${attempt}`)
  }
})
