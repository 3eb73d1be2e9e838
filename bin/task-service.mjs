#!/usr/bin/env -S node --max-semi-space-size=16
/** `task-service [command]`, the program of the npm package: starts the service, or runs a file of `src/commands/`. */
import '../scripts/require-node.mjs'

const COMMANDS = ['distribute', 'epoch', 'forget', 'migrate', 'purge', 'token']

const [node, program, command, ...rest] = process.argv
if (command === undefined) {
  await import('../dist/src/process/compile-cache.mjs')
  await import('../dist/src/main.js')
} else if (COMMANDS.includes(command)) {
  process.argv = [node, program, ...rest]
  await import(`../dist/src/commands/${command}.js`)
} else {
  console.error(`Unknown command ${command}: use ${COMMANDS.join(', ')}, or none to start the service.`)
  process.exit(1)
}
