/** Errors of prepared statements: a value built into the text, a missing row. */
import { sql } from 'kysely'
import t from 'tap'
import { startService } from '../../scripts/support/service.ts'
import { type Places, read } from '../../src/database/statement.ts'

const service = await startService()
t.teardown(() => service[Symbol.asyncDispose]())
const { database } = service

t.test('a statement with a value built into its text throws, because its next use may have another value', async t => {
  const build = ({ name }: Places<{ name: string }>) => sql`select from task where user_id = ${name} and title = ${'T'}`
  const find = read.maybe<{ name: string }, unknown>('with_a_value', build)
  await t.rejects(find(database.kysely, { name: 'N' }), { message: /^A statement is built with the value T/ })
})

t.test('a statement that must return a row throws an error with its name if there is none', async t => {
  const build = ({ name }: Places<{ name: string }>) => sql`select title from task where user_id = ${name}`
  const find = read.one<{ name: string }, { title: string }>('without_a_row', build)
  await t.rejects(find(database.kysely, { name: 'nobody' }), { message: 'The statement without_a_row returned no row' })
})
