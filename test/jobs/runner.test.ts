/** Jobs run on one replica at a time and at their interval, are retried after failures, and stop on a signal. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import t from 'tap'
import { ownDatabase, silent } from '../../scripts/support/service.ts'
import { takeLease } from '../../src/jobs/lease.ts'
import { type Job, retryDelay, runPeriodically } from '../../src/jobs/runner.ts'
import { openPrepared } from '../support/database.ts'
import { createLog } from '../support/log.ts'

const HOUR = 3_600_000

const config = await ownDatabase()
t.teardown(() => config[Symbol.asyncDispose]())
const database = await openPrepared(config)
t.teardown(() => database.close())
const { kysely: db } = database

/** The time until which the job is leased, if it has a row. */
const timeOf = async (name: string): Promise<string | undefined> =>
  (await db.selectFrom('job').select('not_before').where('name', '=', name).executeTakeFirst())?.not_before

/** A job with a name of its own in each test, since all share the table. */
const jobOf = (name: string, run: Job['run'], interval = HOUR): Job => ({ name, interval, run })

/** Runs the job until `stop`, which waits for its end; records the metrics. */
function start(job: Job, { log = pino({ level: 'silent' }), lease = HOUR } = {}) {
  const stopping = new AbortController()
  const measured: [string, string][] = []
  const metrics = {
    jobFinished(job: string, outcome: string, seconds: number) {
      if (seconds >= 0) measured.push([job, outcome])
    },
  }
  const running = runPeriodically(job, { db, log, metrics, signal: stopping.signal }, lease)
  const stop = () => {
    stopping.abort()
    return running
  }
  return { stop, measured, signal: stopping.signal, running }
}

t.test('of five replicas that want a job at once, one gets the lease', async t => {
  const leases = await Promise.all(Array.from({ length: 5 }, () => takeLease(db, 'wanted', HOUR)))
  const [lease, ...others] = leases.filter(lease => lease !== undefined)
  t.ok(lease)
  t.same(others, [])
  await lease?.end(HOUR)
  t.equal(await takeLease(db, 'wanted', HOUR), undefined, 'no replica gets it before it is due')
})

t.test('a lease that is returned can be taken at once', async t => {
  for (const attempt of ['first', 'second']) {
    const lease = await takeLease(db, 'returned', HOUR)
    t.ok(lease, attempt)
    await lease?.end(0)
  }
})

t.test('a job runs at its interval, and its results are logged and counted', async t => {
  const { log, line } = createLog()
  const results = [{ found: 1 }, undefined, { found: 3 }]
  const third = Promise.withResolvers<void>()
  let count = 0
  const run = async () => {
    count += 1
    if (count === 3) third.resolve()
    return results[count - 1]
  }
  const { stop, measured } = start(jobOf('counted', run, 10), { log: log('info') })
  t.match(await line(0), { level: 30, job: 'counted', found: 1, msg: 'job done' })
  t.match(await line(1), { job: 'counted', found: 3, msg: 'job done' }, 'a run without a result logs nothing')
  await third.promise
  await stop()
  t.same(measured.slice(0, 3), Array(3).fill(['counted', 'succeeded']))
})

t.test('a failed run is logged and counted, and the job is retried', async t => {
  const { log, line } = createLog()
  let fails = true
  const run = async () => {
    if (fails) throw new Error('on purpose')
    return { fixed: true }
  }
  const { stop, measured } = start(jobOf('failing', run, 10), { log: log('info') })
  for (const index of [0, 1]) {
    const failure = { level: 40, job: 'failing', error: 'on purpose', msg: 'job failed; it will be tried again' }
    t.match(await line(index), failure)
  }
  fails = false
  let index = 2
  while ((await line(index)).msg !== 'job done') index += 1
  await stop()
  t.same(measured.slice(0, 2), Array(2).fill(['failing', 'failed']))
  t.same(measured[index], ['failing', 'succeeded'])
})

t.test('retries back off up to a bound, with jitter', async t => {
  const between = (failures: number, interval: number, most: number) => {
    const delay = retryDelay(failures, interval)
    t.ok(delay >= most / 2 && delay <= most, `${failures} failures at an interval of ${interval}`)
  }
  between(1, 600_000, 10_000)
  between(2, 600_000, 20_000)
  between(7, 600_000, 600_000)
  between(5000, 600_000, 600_000)
  between(1, 1000, 1000)
  between(3, 1000, 4000)
  between(10, 1000, 60_000)
})

t.test('a replica that does not get the lease does nothing', async t => {
  const lease = await takeLease(db, 'taken', HOUR)
  const { log, line } = createLog()
  const run = async () => void t.fail('it was run') as undefined
  const { stop, measured } = start(jobOf('taken', run), { log: log('debug') })
  t.match(await line(0), { job: 'taken', msg: 'job not run: another replica has it, or it is not due' })
  await stop()
  t.same(measured, [])
  await lease?.end(0)
})

t.test('the lease is extended while the job runs, and then lasts for the interval', async t => {
  const ends = new Set<string | undefined>()
  const worked = Promise.withResolvers<void>()
  const run = async () => {
    while (ends.size < 4) {
      ends.add(await timeOf('long'))
      await sleep(5)
    }
    worked.resolve()
    return { long: true }
  }
  const { log, line } = createLog()
  const { stop } = start(jobOf('long', run), { lease: 300, log: log('info') })
  await worked.promise
  t.same([...ends], [...ends].toSorted(), 'every end is later')
  await line(0)
  t.ok(Date.parse((await timeOf('long')) as string) > Date.now() + HOUR / 2)
  await stop()
})

t.test('a replica that has lost the lease stops, and leaves the lease as it is', async t => {
  const other = new Date(Date.now() + HOUR).toISOString()
  const run: Job['run'] = async ({ signal }) => {
    await db.updateTable('job').set({ not_before: other }).where('name', '=', 'lost').execute()
    if (!signal.aborted) await once(signal, 'abort')
    return undefined
  }
  const { log, line } = createLog()
  const { stop, measured } = start(jobOf('lost', run), { lease: 30, log: log('info') })
  t.match(await line(0), { job: 'lost', error: 'another replica has taken the job' })
  await stop()
  t.same(measured, [['lost', 'failed']])
  t.equal(Date.parse((await timeOf('lost')) as string), Date.parse(other))
})

t.test('a stop aborts the run in progress and waits for it; another replica may start at once', async t => {
  const started = Promise.withResolvers<void>()
  const order: string[] = []
  const run: Job['run'] = async ({ signal }) => {
    started.resolve()
    await once(signal, 'abort')
    await timeOf('stopped')
    order.push('the work ends')
    return undefined
  }
  const { stop } = start(jobOf('stopped', run))
  await started.promise
  await stop()
  order.push('the stop ends')
  t.same(order, ['the work ends', 'the stop ends'])
  const lease = await takeLease(db, 'stopped', HOUR)
  t.ok(lease)
  await lease?.end(0)
})

t.test('after the signal no run begins', async t => {
  const run = async () => void t.fail('it was run') as undefined
  await runPeriodically(jobOf('late', run), {
    db,
    log: silent,
    metrics: undefined,
    signal: AbortSignal.abort(),
  })
  t.equal(await timeOf('late'), undefined)
})

t.test('a database that fails ends the run, and the job continues once its own lease has expired', async t => {
  const { log, line } = createLog()
  let fails = true
  const run = async () => {
    if (!fails) return { back: true }
    await db.schema.alterTable('job').renameTo('no_job').execute()
    throw new Error('on purpose')
  }
  const { stop } = start(jobOf('unavailable', run, 10), { lease: 300, log: log('debug') })
  t.match(await line(0), { job: 'unavailable', error: 'on purpose' })
  fails = false
  t.match(await line(1), { job: 'unavailable', error: /job/, msg: 'job failed; it will be tried again' })
  await db.schema.alterTable('no_job').renameTo('job').execute()
  let index = 2
  while ((await line(index)).msg !== 'job done') index += 1
  t.match(await line(index), { back: true })
  await stop()
})
