/** The Dockerfile and compose.yaml, without a container engine: the same commands, run in empty folders. */
import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { temporaryFolder } from '../scripts/support/folder.ts'
import { startProcess, untilHealthy } from '../scripts/support/process.ts'
import { client } from '../scripts/support/service.ts'
import { startWarnings } from '../src/config/safety.ts'
import type { Config } from '../src/config/variables.ts'
import { buildImage } from './support/dockerfile.ts'
import { bearer, secret } from './support/issuer.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../', import.meta.url))
const isRoot = process.getuid?.() === 0
/** The user of the process if the tests run as root. */
const USER = 1000

/** compose.yaml, with these values in place of variables, all of which must be required. */
async function readCompose(values: Record<string, string>) {
  const text = await readFile(join(root, 'compose.yaml'), 'utf8')
  return parse(text.replaceAll(/\$\{(\w+):\?[\w ]+\}/g, (_, name) => values[name] ?? 'unknown'))
}

t.test('the image serves with the environment of compose.yaml, as a user who may write nothing', async t => {
  await using folder = await temporaryFolder()
  await chmod(folder.path, 0o755)
  const image = await buildImage(root, folder.path)
  t.equal(image.user, 'node')
  t.equal(image.env.HOST, '0.0.0.0', 'so authentication is required')
  const [, version = ''] = /^node:(.+)-slim$/.exec(image.base) ?? []
  t.same(startWarnings({ AUTH_SECRET: secret } as Config, version), [], 'its Node is recent enough')
  const cwd = join(image.root, image.workdir)
  t.notOk((await readdir(join(cwd, 'node_modules'))).includes('typescript'), 'only production dependencies')

  const { services } = await readCompose({ AUTH_SECRET: secret, POSTGRES_PASSWORD: 'hunter2' })
  const { DATABASE_URL, ...environment } = services.tasks.environment
  t.equal(DATABASE_URL, 'postgresql://tasks:hunter2@database:5432/tasks')
  t.match(services.database.environment, { POSTGRES_USER: 'tasks', POSTGRES_PASSWORD: 'hunter2' })
  const home = join(folder.path, 'home')
  await mkdir(home)
  if (isRoot) await chown(home, USER, USER)
  const asUser = `--import=data:text/javascript,process.setgroups([]);process.setgid(${USER});process.setuid(${USER})`
  const [node, ...program] = image.entrypoint
  t.equal(node, 'node')
  await using service = await startProcess(
    // tap would have the process write to the repository.
    { ...image.env, ...environment, DATA_DIR: join(home, 'data'), _TAPJS_PROCESSINFO_CWD_: home },
    { program: [...(isRoot ? [asUser] : []), ...program], cwd },
  )
  await untilHealthy(service.origin)
  const alice = await client(service.origin).newUser({ header: bearer })
  t.match(await alice.createTask({ title: 'Buy oat milk' }), { title: 'Buy oat milk' })

  const check = (PORT: string) =>
    run(process.execPath, image.healthcheck.slice(1), { env: { ...process.env, ...image.env, PORT } })
  await check(new URL(service.origin).port)
  await t.rejects(check('1'), { code: 1 })
  t.same(await service.stop(), [])
})
