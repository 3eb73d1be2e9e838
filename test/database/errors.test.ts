/** Database errors are classified by their SQLSTATE, or by the driver's message. */
import t from 'tap'
import {
  breaksConnection,
  describeError,
  failureCode,
  isBadValue,
  isConflict,
  isUnavailable,
} from '../../src/database/errors.ts'

const withCode = (code: unknown) => Object.assign(new Error('failed'), { code })

t.test('connection errors, timeouts and lock failures mean that the database is unavailable', async t => {
  for (const code of [
    'ECONNREFUSED',
    'ENOTFOUND',
    '08006',
    '53300',
    '57P01',
    '57P03',
    '57014',
    '25006',
    '40001',
    '40P01',
    '55P03',
  ]) {
    t.ok(isUnavailable(withCode(code)), code)
  }
  for (const message of [
    'timeout exceeded when trying to connect',
    'Connection terminated unexpectedly',
    'Query read timeout',
    'driver has already been destroyed',
  ]) {
    t.ok(isUnavailable(new Error(message)), message)
  }
})

t.test('any other error does not mean that the database is unavailable', async t => {
  for (const code of ['42P01', '22P02', '23505', 'FST_ERR_BAD_URL', 7])
    t.notOk(isUnavailable(withCode(code)), `${code}`)
  for (const error of [new Error('oops'), 'oops', null, undefined]) t.notOk(isUnavailable(error))
})

t.test('connection errors and read-only transactions break the connection; errors of a statement do not', async t => {
  for (const code of ['ECONNRESET', '08006', '57P01', '25P03', '25006']) t.ok(breaksConnection(withCode(code)), code)
  t.ok(breaksConnection(new Error('Query read timeout')), 'an error of the driver')
  for (const code of ['23505', '57014', '55P03', '40001']) t.notOk(breaksConnection(withCode(code)), code)
  for (const code of ['08006', '57P01']) {
    const [relayed, own] = ['ERROR', 'FATAL'].map(severity => Object.assign(withCode(code), { severity }))
    t.notOk(breaksConnection(relayed), `${code} of another server, which the session reports`)
    t.ok(breaksConnection(own), `${code} of the session's own server`)
  }
})

t.test(
  'serialization failures, deadlocks and duplicate keys are conflicts; encoding and range errors are bad values',
  async t => {
    for (const code of ['40001', '40P01', '23505']) t.ok(isConflict(withCode(code)), code)
    const moved = Object.assign(new Error('could not find valid entry for shard 102008'), { code: 'XX000' })
    t.ok(isConflict(moved) && isUnavailable(moved), 'a shard that was moved')
    for (const code of ['22021', '22P02', '22003', '22008']) t.ok(isBadValue(withCode(code)), code)
    for (const error of [new Error('oops'), withCode('23502'), withCode(7), null]) {
      t.notOk(isConflict(error) || isBadValue(error), `${error}`)
    }
  },
)

t.test('failureCode returns the SQLSTATE, or none', async t => {
  t.equal(failureCode(withCode('57P01')), '57P01')
  t.equal(failureCode(new Error('oops')), 'none')
})

t.test('describeError returns one line, also for several errors', async t => {
  t.equal(describeError(new Error('one')), 'one')
  t.equal(describeError(new AggregateError([new Error('one'), new Error('two')])), 'one; two')
})
