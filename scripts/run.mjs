/**
 * `node scripts/run.mjs <name> [arguments]`: runs `scripts/<name>.ts`, or says which Node is needed instead of failing on TypeScript.
 * JavaScript that any Node reads.
 */
import { fileURLToPath } from 'node:url'
import './require-node.mjs'

const [node, , name, ...rest] = process.argv
const script = new URL(`${name}.ts`, import.meta.url)
process.argv = [node, fileURLToPath(script), ...rest]
await import(script.href)
