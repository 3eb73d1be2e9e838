/** Prints what `redocly score` says about the contract, and fails below the score that the project keeps. */
import { execFileSync } from 'node:child_process'

const CONTRACT = 'openapi/openapi.gen.yaml'
const LEAST = 85

const { agentReadiness } = JSON.parse(
  execFileSync('redocly', ['score', CONTRACT, '--format', 'json'], { encoding: 'utf8' }),
)
console.log(`redocly score: ${agentReadiness} of 100 (at least ${LEAST})`)
process.exit(agentReadiness >= LEAST ? 0 : 1)
