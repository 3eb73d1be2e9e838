/** A Citus cluster whose workers fail, and that gets another one: who is served meanwhile, and that nothing is lost. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { User } from '../../scripts/support/client.ts'
import { type Cluster, hasCitus, startCitusCluster } from '../../scripts/support/cluster.ts'
import { operations } from '../../scripts/support/contract.ts'
import { addWorker, connect, execute } from '../../scripts/support/database.ts'
import { prepareDistributed } from '../../scripts/support/distribute.ts'
import { validRequest } from '../../scripts/support/requests.ts'
import { type Answer, onCitus, startService } from '../../scripts/support/service.ts'

if (!onCitus || !hasCitus()) {
  t.plan(0, 'these need the binaries of Citus; `npm run test:citus` uses them if they are installed')
  process.exit(0)
}

const cluster = await startCitusCluster()
t.teardown(() => cluster[Symbol.asyncDispose]())
await prepareDistributed(cluster.url)
const service = await startService({ config: { databaseUrl: cluster.url, dataDir: '', poolSize: 10 } })
t.teardown(() => service[Symbol.asyncDispose]())
const [first, second] = cluster.workers as [Cluster, Cluster]

/** A new user whose rows the worker has. */
async function newUserOn(worker: Cluster): Promise<User> {
  await using admin = await connect(cluster.url)
  for (;;) {
    const user = await service.newUser()
    const { rows } = await admin.query(
      `select nodename from pg_dist_shard_placement
      where shardid = get_shard_id_for_distribution_column('task', $1::text)`,
      [user.id],
    )
    if (worker.url.includes(encodeURIComponent(rows[0].nodename))) return user
  }
}

/** Waits until a request does not get 503. */
async function recovery(user: User): Promise<void> {
  while ((await user.send.listTasks()).status === 503) await sleep(5)
}

type Asserts = Pick<typeof t, 'equal' | 'same'>

function assertUnavailable(t: Asserts, { status, headers, text }: Answer, what: string): void {
  t.equal(status, 503, `${what}: ${text}`)
  t.equal(headers.get('retry-after'), '1', what)
}

interface Load extends AsyncDisposable {
  /** Ends it and compares what was stored with what was acknowledged. */
  end(test: Asserts): Promise<void>
}

/** Lets each user create tasks, with keys and retries as clients do, and list them, until it is ended. */
function startLoad(users: User[]): Load {
  const ending = new AbortController()
  const created = new Map(users.map(({ id }) => [id, [] as string[]]))
  const unexpected: string[] = []
  const succeeds = ({ status, headers, text }: Pick<Answer, 'status' | 'headers' | 'text'>) => {
    const isRetriable = status === 503 && headers.has('retry-after')
    if (status >= 300 && !isRetriable) unexpected.push(`${status} ${text}`)
    return status < 300
  }
  const work = async ({ id, send }: User) => {
    while (!ending.signal.aborted) {
      const title = randomUUID()
      const create = () => send.createTask({ title }, { header: { 'Idempotency-Key': title } })
      while (!succeeds(await create())) await sleep(10)
      created.get(id)?.push(title)
      succeeds(await send.listTasks())
    }
  }
  const working = Promise.all(users.map(work))
  return {
    async end(t) {
      ending.abort()
      await working
      t.same(unexpected, [], 'every response was a success or 503 with Retry-After')
      await using admin = await connect(cluster.url)
      for (const [id, titles] of created) {
        const { rows } = await admin.query('select title from task where user_id = $1 order by revision', [id])
        t.same(
          rows.map(({ title }) => title),
          titles,
          `each of ${titles.length} tasks was stored once`,
        )
      }
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      await working
    },
  }
}

const ofUsers = operations.filter(({ path }) => path.includes('{user_id}'))

for (const mode of ['fast', 'immediate'] as const) {
  t.test(`while a worker is down (${mode}), only its users get 503; they are served once it is back`, async t => {
    const [alice, bob] = [await newUserOn(first), await newUserOn(second)]
    const before = await alice.createTask({ title: 'A task' })
    const { id } = await bob.createTask({ title: 'A task' })
    await first.stop(mode)
    for (const operation of ofUsers) {
      const name = operation.operationId as string
      const [ofAlice, ofBob] = await Promise.all([
        service.call(...validRequest(operation, alice.id, { id: before.id })),
        service.call(...validRequest(operation, bob.id, { id })),
      ])
      assertUnavailable(t, ofAlice, name)
      t.ok(ofBob.status < 500, `${name} of another user: ${ofBob.status} ${ofBob.text}`)
    }
    t.equal((await service.call('GET', '/health')).status, 200, 'the service can still do its work')
    await first.start()
    await recovery(alice)
    t.same((await alice.listTasks()).data, [before])
    t.match(await alice.createTask({ title: 'Another' }), { title: 'Another' })
  })
}

t.test('a worker that restarts under load makes no response other than success and 503', async t => {
  const users = [await newUserOn(first), await newUserOn(first), await newUserOn(second)]
  await using load = startLoad(users)
  for (const mode of ['fast', 'immediate'] as const) {
    await first.restart(mode)
    await recovery(users[0] as User)
  }
  await load.end(t)
})

t.test('adding a worker and moving shards to it under load loses no write', async t => {
  const users = [await newUserOn(first), await newUserOn(first), await newUserOn(second), await newUserOn(second)]
  await using load = startLoad(users)
  const third = await cluster.startNode()
  await addWorker(cluster.url, third.url)
  await execute(cluster.url, 'select rebalance_table_shards()')
  await load.end(t)
  const moved = await newUserOn(third)
  t.match(await moved.createTask({ title: 'A task' }), { title: 'A task' }, 'the new worker has users')
})
