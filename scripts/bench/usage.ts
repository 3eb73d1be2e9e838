/** What a process has used, from Linux' /proc. */
import { readFileSync } from 'node:fs'

/** Clock ticks a second, which /proc counts in: 100 on every Linux that Node runs on. */
const TICKS = 100

/** Seconds of CPU that a process has used, with all of its children that have ended. */
function cpuOf(pid: number): number {
  // The name, in parentheses, may have spaces.
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

/** Seconds of CPU of a process and those that it has started. */
export const cpuSeconds = (pid: number): number =>
  [pid, ...childrenOf(pid)].map(cpuOf).reduce((sum, seconds) => sum + seconds, 0)

/** The most memory that a process has had resident, in MB. */
export const peakMemory = (pid: number): number => memory(pid, 'VmHWM')

/** The memory that it has resident now, in MB. */
export const residentMemory = (pid: number): number => memory(pid, 'VmRSS')

const memory = (pid: number, field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
