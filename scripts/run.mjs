/**
 * `node scripts/run.mjs <file> [arguments]`: runs a TypeScript file of the project. On an unsupported Node, reports
 * which version is required instead of failing on the syntax; therefore this file is JavaScript that any Node can read.
 */
import { fileURLToPath } from 'node:url'
import './require-node.mjs'

const [node, , file, ...rest] = process.argv
const script = new URL(`../${file}`, import.meta.url)
process.argv = [node, fileURLToPath(script), ...rest]
await import(script.href)
