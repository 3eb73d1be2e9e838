/** Every statement that the service sends. */
import { pino } from 'pino'
import type { OperationId } from '../../src/contract/types.ts'
import { setCitus } from '../../src/database/citus.ts'
import { statementsSoFar } from '../../src/database/statement.ts'
import { claim, keep } from '../../src/jobs/lease-queries.ts'
import { purge } from '../../src/jobs/purge.ts'
import { timeZonesJob } from '../../src/jobs/time-zones.ts'
import { trim } from '../../src/tasks/bulk-queries.ts'
import type { Sort } from '../../src/tasks/sorts.ts'
import { renewEpochs } from '../../src/users/epoch.ts'
import type { User } from './client.ts'
import { operations } from './contract.ts'
import type { Service } from './service.ts'

export interface Statement {
  /** Who sends it first: an operation of the contract, or work in the background. */
  sender: string
  name: string
  text: string
}

interface Parameter {
  name: string
  schema: { enum?: string[] }
}

/** Uses the service in every way that sends a statement of its own; returns the statements. */
export async function collectStatements({ newUser, database }: Service): Promise<Statement[]> {
  const user = await newUser()
  const newTask = () => user.createTask({ title: 'T', completed: true })
  const { id } = await newTask()
  const [title, description, completed] = [{ title: 'U' }, { description: 'D' }, { completed: false }]

  const found: Statement[] = []
  const done = new Set<string>()
  const note = (sender: string) => {
    for (const [text, name] of statementsSoFar()) {
      if (!done.has(text)) found.push({ sender, name, text })
      done.add(text)
    }
  }
  const uses: Partial<Record<OperationId, () => Promise<unknown>>> = {
    createTask: newTask,
    getTask: () => user.getTask(id),
    replaceTask: () => user.replaceTask(id, { title: 'V', description: null, completed: true }),
    async updateTask() {
      for (const change of [{}, title, description, completed]) await user.updateTask(id, change)
      await user.updateTask(id, { ...title, ...description })
      await user.updateTask(id, { ...title, ...completed })
      await user.updateTask(id, { ...description, ...completed })
    },
    setTaskCompletion: () => user.setTaskCompletion(id),
    async listTasks() {
      for (let count = 0; count < 2; count += 1) {
        await newTask()
        await user.deleteTask((await newTask()).id)
      }
      for (const filter of [{}, { completed: true }, { deleted: true }, { completed: true, deleted: true }]) {
        // The trash has a single order.
        for (const order of 'deleted' in filter ? [{}] : sorts().map(sort => ({ sort }))) {
          const query = { limit: 1, ...order, ...filter }
          const { next_cursor } = await user.listTasks({ query })
          await user.listTasks({ query: { ...query, cursor: next_cursor as string } })
        }
      }
    },
    listChanges: () => user.listChanges(),
    addTaskTag: () => user.addTaskTag(id, 'a'),
    removeTaskTag: () => user.removeTaskTag(id, 'a'),
    listTags: () => user.listTags(),
    renameTag: () => user.renameTag('a', { name: 'b' }),
    deleteTag: () => user.deleteTag('b'),
    moveTask: () => user.moveTask(id, { to: 'start' }),
    deleteTask: () => user.deleteTask(id),
    restoreTask: () => user.restoreTask(id),
    batchTasks: () => user.batchTasks({ items: [{ action: 'complete', id, completed: true }] }),
    deleteTasks: () => user.deleteTasks({ query: { completed: true } }),
    eraseUser: () => user.eraseUser({ query: { confirm: user.id } }),
    getHealth: () => user.getHealth(),
  }
  for (const [operationId, use] of Object.entries(uses)) {
    await use()
    note(operationId)
  }
  const deleted = await newTask()
  await user.deleteTask(deleted.id)
  await user.send.createTask({ id: deleted.id, title: 'T' })
  note('createTask with an id that is taken')
  for (let count = 0; count < 2; count += 1) {
    await user.createTask({ title: 'T' }, { header: { 'Idempotency-Key': 'key' } })
  }
  note('any write with an Idempotency-Key')
  const stranger = await newUser()
  await stranger.send.deleteTask(id, { header: { 'Idempotency-Key': 'key' } })
  note('the first write of a user, with an Idempotency-Key, if it is refused')
  await trim(database.kysely, { userId: user.id, quota: 0, limit: 1 })
  note('deleting where there are too many tombstones')
  await moveIntoCrowdedPlace(user)
  note('moving a task where positions are long')
  await renewEpochs(database.kysely, () => undefined)
  note('npm run epoch')
  const [name, long] = ['a job', new Date(0).toISOString()]
  await claim(database.kysely, { name, now: long, until: long })
  await keep(database.kysely, { name, held: long, until: long })
  note('jobs that one replica at a time does')
  const inHalfAnHour = { tombstones: -1_800_000, keys: -1_800_000 }
  await purge(database.kysely, inHalfAnHour)
  note('purging')
  const signal = new AbortController().signal
  await timeZonesJob('2999a').run({ db: database.kysely, log: pino({ level: 'silent' }), signal })
  note('recomputing instants for other zone data')
  setCitus(database.kysely, true)
  await newTask()
  await user.send.createTask({ id: deleted.id, title: 'T' })
  note('createTask on a database with Citus')
  return found
}

/** The orders that a client may ask for. */
export function sorts(): Exclude<Sort, 'deleted_at.desc'>[] {
  const list = operations.find(({ operationId }) => operationId === 'listTasks')
  const parameters = (list?.parameters ?? []) as Parameter[]
  return parameters.find(({ name }) => name === 'sort')?.schema.enum as ReturnType<typeof sorts>
}

async function moveIntoCrowdedPlace(user: User) {
  const [first, , moved] = await Promise.all(
    ['1', '2', '3'].map(digit => user.createTask({ title: 'T', position: `${'a'.repeat(60)}${digit}` })),
  )
  await user.moveTask(moved?.id as string, { after: first?.id as string })
}
