/**
 * `node scripts/run.mjs <file> [arguments]`: runs a TypeScript file of the project, or says which Node is needed instead of failing on
 * its syntax. JavaScript that any Node reads.
 */
import { fileURLToPath } from 'node:url'
import './require-node.mjs'

const [node, , file, ...rest] = process.argv
const script = new URL(`../${file}`, import.meta.url)
process.argv = [node, fileURLToPath(script), ...rest]
await import(script.href)
