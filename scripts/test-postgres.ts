/** Runs the test suite on a throw-away PostgreSQL cluster; arguments are handed on to tap. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startCluster } from './postgres.ts'

const cluster = await startCluster()
const tests = spawn('npm', ['test', '--', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, TEST_DATABASE_URL: cluster.url },
})
const [code] = await once(tests, 'exit')
await cluster.stop()
process.exit(code ?? 1)
