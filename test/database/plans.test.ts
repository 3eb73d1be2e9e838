/** How the database carries out what the service sends: along an index, whatever it knows of the data. */
import t from 'tap'
import { ownDatabase, startService } from '../helper/service.ts'
import { collectStatements, explainTree, type Plan, seed } from '../helper/statements.ts'

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** What reads all there is, or sorts it: a page is sorted above the node that limits it. */
const isUnbounded = (plan: Plan) =>
  ['Seq Scan', 'Bitmap Heap Scan', 'Hash Join', 'Merge Join'].includes(plan['Node Type']) ||
  (plan['Node Type'] === 'Sort' && !nodesOf(plan).some(node => node['Node Type'] === 'Limit'))

const config = await ownDatabase(t)

t.test('no statement reads a whole table, and none sorts more than a page', async t => {
  const service = await startService(t, { config })
  const statements = await collectStatements(service)
  const { kysely } = service.database
  const check = async (what: string) => {
    for (const { name, text } of statements) {
      const plan = await explainTree(kysely, text)
      const nodes = nodesOf(plan as Plan)
      t.ok(nodes.length > 0)
      t.same(nodes.filter(isUnbounded), [], `${name}, ${what}`)
    }
  }
  await check('when nothing is known of the tables')
  await seed(kysely)
  await check('when they are counted')
})
