/** The README's tour prints what the README says. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { randomUser, startService } from './helper/service.ts'

const run = promisify(execFile)
const hasCurl = await run('curl', ['--version']).then(
  () => true,
  () => false,
)

/** What differs from run to run. */
const withoutTimes = (text: string) => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
const withoutRequestIds = (text: string) => text.replaceAll(/\/requests\/[0-9a-f-]{36}/g, '/requests/<id>')
const comparable = (text: string) => withoutRequestIds(withoutTimes(text.trim()))

t.test('the tour', { skip: !hasCurl && !process.env.CI && 'needs curl' }, async t => {
  const { origin } = await startService(t)
  const user = randomUser()
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const steps = [...readme.matchAll(/```console\n\$ (.+)\n([^`]*)```/g)]
  t.ok(steps.length >= 7)
  for (const [, command = '', printed = ''] of steps) {
    const here = command.replaceAll('http://127.0.0.1:3000', origin).replaceAll('/alice/', `/${user}/`)
    const { stdout } = await run('sh', ['-c', here])
    t.equal(comparable(stdout.replaceAll(user, 'alice')), comparable(printed), command)
  }
})
