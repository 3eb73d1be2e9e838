/** CPU time and memory of a process, from Linux's /proc. */
import { readFileSync } from 'node:fs'

/** Clock ticks per second, the unit of /proc: 100 on every Linux that Node runs on. */
const TICKS = 100

/** CPU seconds of a process and of its children that have ended. */
function cpuOf(pid: number): number {
  // The name, in parentheses, may contain spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  const [user, system, childrenUser, childrenSystem] = fields.slice(11, 15).map(Number) as [
    number,
    number,
    number,
    number,
  ]
  return (user + system + childrenUser + childrenSystem) / TICKS
}

const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)

/** CPU seconds of a process and all of its children. */
export const cpuSeconds = (pid: number): number =>
  [pid, ...childrenOf(pid)].map(cpuOf).reduce((sum, seconds) => sum + seconds, 0)

/** Peak resident memory, in MB. */
export const peakMemory = (pid: number): number => memory(pid, 'VmHWM')

/** Current resident memory, in MB. */
export const residentMemory = (pid: number): number => memory(pid, 'VmRSS')

const memory = (pid: number, field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
