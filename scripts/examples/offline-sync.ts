/**
 * An example of a client that works offline, on `fetch` and the generated types. Edits go to a file first; `sync`
 * sends them, each executed exactly once whatever the network does, and then fetches what others have changed.
 * `offline-sync/tasks.ts` is where to start reading; this file is the command line.
 *
 *     node scripts/examples/offline-sync.ts [--url ...] [--user alice] [--token ...] [--file tasks.json] list | sync
 *       | add TITLE | rename ID TITLE | complete ID | reopen ID | remove ID
 *       | due ID [YYYY-MM-DD] | time ID [HH:MM [TIME_ZONE]] | start ID [YYYY-MM-DD] | priority ID [PRIORITY]
 *       | tag ID TAG | untag ID TAG | move ID [AFTER_ID]
 *
 * Without their last argument, `due`, `start` and `priority` clear the field, `time` makes the task due the whole day,
 * and `move` moves it to the start.
 */
import { parseArgs } from 'node:util'
import type { LocalTask } from './offline-sync/local.ts'
import { lock } from './offline-sync/storage.ts'
import { openOfflineTasks } from './offline-sync/tasks.ts'
import { Offline } from './offline-sync/transport.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:3000' },
    user: { type: 'string', default: 'alice' },
    file: { type: 'string', default: 'tasks.json' },
    token: { type: 'string' },
  },
})
const unlock = await lock(values.file)
process.on('exit', unlock)
const tasks = await openOfflineTasks(values)
const [command, ...words] = positionals
const [id = '', value, zone] = words
const day = value === undefined ? null : { date: value }
// A time zone needs a time. An absent member keeps its value.
const time = value === undefined ? { time: null, time_zone: null } : { time: value, ...(zone && { time_zone: zone }) }
const commands: Record<string, () => unknown> = {
  list: () => undefined,
  sync: () => tasks.sync(),
  add: () => tasks.add(words.join(' ')),
  rename: () => tasks.update(id, { title: words.slice(1).join(' ') }),
  complete: () => tasks.update(id, { completed: true }),
  reopen: () => tasks.update(id, { completed: false }),
  due: () => tasks.update(id, { due: day }),
  time: () => tasks.update(id, { due: time }),
  start: () => tasks.update(id, { start: day }),
  // The server refuses a word that is no priority.
  priority: () => tasks.update(id, { priority: (value ?? 'none') as LocalTask['priority'] }),
  tag: () => tasks.addTag(id, words.slice(1).join(' ')),
  untag: () => tasks.removeTag(id, words.slice(1).join(' ')),
  move: () => tasks.move(id, value ?? null),
  remove: () => tasks.remove(id),
}
const run = commands[command ?? 'list']
if (run === undefined) {
  console.error(`Unknown command ${command}: use ${Object.keys(commands).join(', ')}.`)
  process.exit(1)
}
try {
  await run()
} catch (error) {
  console.error(error instanceof Offline ? `Offline (${error.message}); nothing is lost.` : (error as Error).message)
  process.exitCode = 1
}
for (const task of tasks.list()) console.log(describe(task))
if (tasks.pending() > 0) console.log(`${tasks.pending()} to be sent`)
for (const { write, reason } of tasks.refused()) console.log(`refused: ${write.kind} ${write.id} (${reason})`)

function describe({ id, completed, title, due, start, priority, tags }: LocalTask): string {
  const words = [...wordsOf('due', due), ...wordsOf('start', start), priority !== 'none' && priority]
  return [completed ? '[x]' : '[ ]', id, title, ...words, ...tags.map(tag => `#${tag}`)].filter(Boolean).join(' ')
}

function wordsOf(name: string, date: LocalTask['due']) {
  return date === null ? [] : [name, date.date, date.time, date.time_zone]
}
