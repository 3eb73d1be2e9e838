/** The commands in the documents print what the documents show, and what the documents name exists. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { contract } from '../scripts/support/contract.ts'
import { randomUser, startService } from '../scripts/support/service.ts'

const run = promisify(execFile)
const hasCurl = await run('curl', ['--version']).then(
  () => true,
  () => false,
)

/** Text without what differs from run to run. The `at` of a date does not. */
const withoutTimes = (text: string) => text.replaceAll(/(?<!"at":")\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
/** That of a task which was never moved follows from its time of creation. */
const withoutPositions = (text: string) => text.replaceAll(/"position":"\w+"/g, '"position":"<position>"')
const withoutRequestIds = (text: string) => text.replaceAll(/\/requests\/[0-9a-f-]{36}/g, '/requests/<id>')
const withoutTokens = (text: string) => text.replaceAll(/"next_sync_token":"[\w-]+"/g, '"next_sync_token":"<token>"')
const comparable = (text: string) => withoutTokens(withoutPositions(withoutRequestIds(withoutTimes(text.trim()))))

const tokenIn = (text: string) => /"next_sync_token":"([\w-]+)"/.exec(text)?.[1]

for (const file of ['README.md', 'docs/clients.md', 'docs/dates.md']) {
  t.test(
    `every command in ${file} prints what the file shows`,
    { skip: !hasCurl && !process.env.CI && 'needs curl' },
    async t => {
      await using service = await startService()
      const { origin } = service
      const user = randomUser()
      const text = await readFile(new URL(`../${file}`, import.meta.url), 'utf8')
      const steps = [...text.matchAll(/```console\n\$ (.+)\n([^`]*)```/g)]
      t.ok(steps.length >= 7)
      // Sync tokens belong to a user: the one in the file and the one of this run.
      const tokens: [string, string][] = []
      for (const [, command = '', printed = ''] of steps) {
        let here = command.replaceAll('http://127.0.0.1:3000', origin).replaceAll('/alice/', `/${user}/`)
        for (const [said, got] of tokens) here = here.replaceAll(said, got)
        const { stdout } = await run('sh', ['-c', here])
        t.equal(comparable(stdout.replaceAll(user, 'alice')), comparable(printed), command)
        tokens.push([tokenIn(printed) ?? 'none', tokenIn(stdout) ?? 'none'])
      }
    },
  )
}

t.test('the API conventions name every problem code of the contract', async t => {
  const text = await readFile(new URL('../docs/api-conventions.md', import.meta.url), 'utf8')
  const { ProblemCode } = contract.document.components.schemas
  for (const code of ProblemCode.enum) t.match(text, `\`${code}\``)
})

t.test('the tests that docs/security.md names exist', async t => {
  const text = await readFile(new URL('../docs/security.md', import.meta.url), 'utf8')
  const references = [...text.matchAll(/`(test\/[\w./-]+)`(?:: ([^`|]+))?/g)]
  t.ok(references.length > 20)
  for (const [, file = '', titles] of references) {
    const source = (await readFile(new URL(`../${file}`, import.meta.url), 'utf8')).replaceAll('’', "'")
    const named = titles?.replaceAll('’', "'").trim().replace(/;$/, '').split('; ') ?? []
    for (const title of named) t.ok(source.includes(title), `${file}: ${title}`)
  }
})
