/** The npm package: packed, unpacked into an empty folder, and started there. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { temporaryFolder } from '../../scripts/support/folder.ts'
import { startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client } from '../../scripts/support/service.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))

/** Installs the package in `folder` and returns the path of its program. */
async function install(folder: string): Promise<string> {
  await run('npm', ['pack', '--pack-destination', folder], { cwd: root })
  const [file = ''] = (await readdir(folder)).filter(name => name.endsWith('.tgz'))
  const target = join(folder, 'node_modules/task-service')
  // Elsewhere than in CI, the repository's dependencies do, which saves the download.
  if (process.env.CI) {
    await writeFile(join(folder, 'package.json'), '{}')
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', file], { cwd: folder })
  } else {
    await mkdir(target, { recursive: true })
    await run('tar', ['-xzf', join(folder, file), '-C', target, '--strip-components=1'])
    await symlink(join(root, 'node_modules'), join(target, 'node_modules'))
  }
  const { bin } = JSON.parse(await readFile(join(target, 'package.json'), 'utf8'))
  return join(target, bin['task-service'])
}

t.test('the package starts the service and runs its commands, without the repository', async t => {
  await using folder = await temporaryFolder()
  const { path: cwd } = folder
  const program = await install(cwd)
  await using service = await startProcess({}, { program: [program], cwd })
  await untilHealthy(service.origin)
  const alice = await client(service.origin).newUser()
  t.match(await alice.createTask({ title: 'Buy oat milk' }), { title: 'Buy oat milk' })
  for (const path of ['/docs', '/guides/clients', '/openapi.json']) {
    t.equal((await fetch(service.origin + path)).status, 200, path)
  }
  t.same(await service.stop(), [])
  t.ok((await readdir(cwd)).includes('data'), 'the tasks are stored in the current folder')

  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`
  const command = (...words: string[]) => run(program, words, { cwd, env: { ...process.env, PATH } })
  const { stdout } = await command('migrate', 'status')
  const migrations = (await readdir(join(root, 'migrations'))).map(name => name.replace('.ts', '')).sort()
  const status = stdout.trim().split('\n').slice(1)
  t.same(
    status.map(line => line.split('\t')[0]),
    migrations,
  )
  t.notMatch(stdout, 'pending')
  await t.rejects(command('archive'), { code: 1, stderr: /^Unknown command archive: use distribute, / })
})

t.test('on a Node that is too old, the version that is required is reported', async t => {
  const versions = '{ value: { ...process.versions, node: "20.19.0" } }'
  const pretend = `--import=data:text/javascript,Object.defineProperty(process, "versions", ${versions})`
  await t.rejects(run(process.execPath, [pretend, join(root, 'scripts/require-node.mjs')]), {
    code: 1,
    stderr: /^Node 24 or newer is required, but this is 20\.19\.0\. /,
  })
})
