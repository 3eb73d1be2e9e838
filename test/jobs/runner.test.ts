/** How jobs are run: one replica at a time, at their interval, whatever fails, until they are stopped. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import t from 'tap'
import { ownDatabase, silent } from '../../scripts/support/service.ts'
import { openDatabase } from '../../src/database/open.ts'
import { takeLease } from '../../src/jobs/lease.ts'
import { type Job, retryDelay, runPeriodically } from '../../src/jobs/runner.ts'
import { createLog } from '../support/log.ts'

const HOUR = 3_600_000

const database = await openDatabase(await ownDatabase(t), silent)
await database.prepare(new AbortController().signal)
t.teardown(() => database.close())
const { kysely: db } = database

/** The time until which the job is taken, as long as it has a row. */
const timeOf = async (name: string): Promise<string | undefined> =>
  (await db.selectFrom('job').select('not_before').where('name', '=', name).executeTakeFirst())?.not_before

/** A job with a name of its own in each test, since all share the table. */
const jobOf = (name: string, run: Job['run'], interval = HOUR): Job => ({ name, interval, run })

/** Runs the job until `stop`, which waits for its end; notes what is measured. */
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

t.test('of those who want a job at once one gets it', async t => {
  const leases = await Promise.all(Array.from({ length: 5 }, () => takeLease(db, 'wanted', HOUR)))
  const [lease, ...others] = leases.filter(lease => lease !== undefined)
  t.ok(lease)
  t.same(others, [])
  await lease?.end(HOUR)
  t.equal(await takeLease(db, 'wanted', HOUR), undefined, 'and nobody before its time')
})

t.test('a job that was given back is free', async t => {
  for (const attempt of ['first', 'second']) {
    const lease = await takeLease(db, 'returned', HOUR)
    t.ok(lease, attempt)
    await lease?.end(0)
  }
})

t.test('a job runs at its interval, and what it did is logged and counted', async t => {
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
  t.match(await line(1), { job: 'counted', found: 3, msg: 'job done' }, 'nothing is said where nothing was done')
  await third.promise
  await stop()
  t.same(measured.slice(0, 3), Array(3).fill(['counted', 'succeeded']))
})

t.test('a failure is logged and counted, and the job tried again', async t => {
  const { log, line } = createLog()
  let fails = true
  const run = async () => {
    if (fails) throw new Error('on purpose')
    return { mended: true }
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

t.test('tries after failures become rarer, up to a bound, and never all at once', async t => {
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

t.test('whoever does not get the job does nothing', async t => {
  const lease = await takeLease(db, 'taken', HOUR)
  const { log, line } = createLog()
  const run = async () => void t.fail('it was run') as undefined
  const { stop, measured } = start(jobOf('taken', run), { log: log('debug') })
  t.match(await line(0), { job: 'taken', msg: 'job not run: another replica has it, or it is not due' })
  await stop()
  t.same(measured, [])
  await lease?.end(0)
})

t.test('the lease is extended as long as the job works, and then ends with the interval', async t => {
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
  t.same([...ends], [...ends].toSorted(), 'each time later')
  await line(0)
  t.ok(Date.parse((await timeOf('long')) as string) > Date.now() + HOUR / 2)
  await stop()
})

t.test('whoever has lost the lease stops, and leaves the job to the one who has it', async t => {
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

t.test('a stop ends the work in progress and waits for it; another replica may go on at once', async t => {
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

t.test('after the signal nothing begins', async t => {
  const run = async () => void t.fail('it was run') as undefined
  await runPeriodically(jobOf('late', run), {
    db,
    log: silent,
    metrics: undefined,
    signal: AbortSignal.abort(),
  })
  t.equal(await timeOf('late'), undefined)
})

t.test('a database that fails meanwhile ends a run, and the job goes on once its own lease has ended', async t => {
  const { log, line } = createLog()
  let fails = true
  const run = async () => {
    if (!fails) return { back: true }
    await db.schema.alterTable('job').renameTo('no_job').execute()
    throw new Error('on purpose')
  }
  const { stop } = start(jobOf('away', run, 10), { lease: 300, log: log('debug') })
  t.match(await line(0), { job: 'away', error: 'on purpose' })
  fails = false
  t.match(await line(1), { job: 'away', error: /job/, msg: 'job failed; it will be tried again' })
  await db.schema.alterTable('no_job').renameTo('job').execute()
  let index = 2
  while ((await line(index)).msg !== 'job done') index += 1
  t.match(await line(index), { back: true })
  await stop()
})
