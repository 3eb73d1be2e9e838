/** Statements on pipelined connections: their rows are described once, and an error affects only its own statement. */
import pg from 'pg'
import t from 'tap'
import { SharedQuery } from '../../src/database/shared-query.ts'
import { createProxy } from '../support/proxied.ts'

/** Opens a connection that counts the descriptions that arrive. */
async function open(connectionString: string) {
  const client = new pg.Client({ connectionString, pipeline: true })
  await client.connect()
  let descriptions = 0
  // @types/pg does not declare it.
  const { connection } = client as unknown as { connection: pg.Connection }
  connection.on('rowDescription', () => {
    descriptions += 1
  })
  const run = (name: string | undefined, text: string, values: unknown[]) =>
    new Promise<unknown[]>((resolve, reject) => {
      client.query(
        new SharedQuery({ name, text, values }, (error, result) => (error ? reject(error) : resolve(result.rows))),
      )
    })
  return {
    run,
    descriptions: () => descriptions,
    [Symbol.asyncDispose]: () => client.end(),
  }
}

const SUM = 'select $1::int + 1 as sum, $2::jsonb as value'

t.test('the rows of a prepared statement are described once per connection', async t => {
  for (const _ of ['one connection', 'another']) {
    // In PGlite, connections share a session, in which a name is used once.
    await using proxy = await createProxy()
    await proxy.listen()
    await using connection = await open(proxy.url)
    const { run, descriptions } = connection
    for (const one of [1, 2, 3]) t.same(await run('sum', SUM, [one, { one }]), [{ sum: one + 1, value: { one } }])
    t.equal(descriptions(), 1)
    const both = await Promise.all([run('sum', SUM, [7, null]), run('other', 'select 1 as other', [])])
    t.same(both, [[{ sum: 8, value: null }], [{ other: 1 }]])
    t.equal(descriptions(), 2)
    for (const _ of [1, 2]) t.same(await run(undefined, SUM, [1, null]), [{ sum: 2, value: null }])
    t.equal(descriptions(), 4, 'a statement without a name is described each time')
  }
})

t.test('an error of a described statement affects no other statement', async t => {
  await using proxy = await createProxy()
  await proxy.listen()
  await using connection = await open(proxy.url)
  const { run } = connection
  await run('sum', SUM, [1, null])
  const unsendable = {
    toPostgres() {
      throw new Error('unsendable')
    },
  }
  const results = await Promise.allSettled([
    run('sum', SUM, [1, null]),
    run('sum', SUM, ['no number', null]),
    run('sum', SUM, [2, unsendable]),
    run('sum', SUM, [3, null]),
  ])
  t.same(
    results.map(result => (result.status === 'fulfilled' ? result.value : result.reason.message)),
    [
      [{ sum: 2, value: null }],
      'invalid input syntax for type integer: "no number"',
      'unsendable',
      [{ sum: 4, value: null }],
    ],
  )
})

t.test('a statement whose rows would change fails, and is not read as before', async t => {
  await using proxy = await createProxy()
  await proxy.listen()
  await using connection = await open(proxy.url)
  const { run } = connection
  await run(undefined, 'create table t as select 1::int as number where $1', [true])
  const text = 'select number from t where $1'
  t.same(await run('read', text, [true]), [{ number: 1 }])
  await run(undefined, 'alter table t alter number type text', [])
  await t.rejects(run('read', text, [true]), /cached plan must not change result type/)
})
