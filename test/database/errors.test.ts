/** What a database error means. */
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

t.test('the database is away', async t => {
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

t.test('anything else is a bug', async t => {
  for (const code of ['42P01', '22P02', '23505', 'FST_ERR_BAD_URL', 7])
    t.notOk(isUnavailable(withCode(code)), `${code}`)
  for (const error of [new Error('oops'), 'oops', null, undefined]) t.notOk(isUnavailable(error))
})

t.test('which connections must not be used again', async t => {
  for (const code of ['ECONNRESET', '08006', '57P01', '25P03', '25006']) t.ok(breaksConnection(withCode(code)), code)
  t.ok(breaksConnection(new Error('Query read timeout')), 'the driver’s own errors')
  for (const code of ['23505', '57014', '55P03', '40001']) t.notOk(breaksConnection(withCode(code)), code)
})

t.test('conflicts, and values that PostgreSQL cannot hold', async t => {
  for (const code of ['40001', '40P01', '23505']) t.ok(isConflict(withCode(code)), code)
  for (const code of ['22021', '22P02', '22003', '22008']) t.ok(isBadValue(withCode(code)), code)
  for (const error of [new Error('oops'), withCode('23502'), withCode(7), null]) {
    t.notOk(isConflict(error) || isBadValue(error), `${error}`)
  }
})

t.test('failureCode is the code, if there is one', async t => {
  t.equal(failureCode(withCode('57P01')), '57P01')
  t.equal(failureCode(new Error('oops')), 'none')
})

t.test('an error in a line', async t => {
  t.equal(describeError(new Error('one')), 'one')
  t.equal(describeError(new AggregateError([new Error('one'), new Error('two')])), 'one; two')
})
