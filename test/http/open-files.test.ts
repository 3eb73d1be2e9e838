/** The number of connections that the limit on open files allows. */
import t from 'tap'
import { defaultMaxConnections, readOpenFilesLimit } from '../../src/http/open-files.ts'

t.test('the default limit on connections leaves file descriptors for the rest of the process', async t => {
  t.equal(defaultMaxConnections(10, 1000), 690)
  t.equal(defaultMaxConnections(10, 100), 50, 'half of the descriptors if there are few')
  t.equal(defaultMaxConnections(10, 1_000_000), 10_000)
  t.ok(defaultMaxConnections(10) > 0)

  const folder = t.testdir({
    limits:
      'Limit Soft Hard Units\nMax processes 5 5 processes\nMax open files            1000       2000       files\n',
    unlimited: 'Max open files            unlimited       unlimited       files\n',
  })
  t.equal(readOpenFilesLimit(`${folder}/limits`), 1000)
  t.ok(readOpenFilesLimit(`${folder}/unlimited`) >= 20_000)
  t.equal(readOpenFilesLimit(`${folder}/missing`), 1024)
})
