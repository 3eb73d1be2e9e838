/** How late the process is with its work. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** The histogram's timer fires this often, in milliseconds; what it records is the time between two firings. */
const RESOLUTION = 10

/** Over how many milliseconds the delay is averaged. */
const WINDOW = 1000

export interface EventLoopDelay {
  /** Whether timers were later than the limit, on average over the last second. */
  isTooLong(): boolean
  stop(): void
}

/** @param limit in milliseconds; 0 is no limit */
export function watchEventLoopDelay(limit: number): EventLoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
  histogram.enable()
  let delay = 0
  const timer = setInterval(() => {
    delay = histogram.mean / 1e6 - RESOLUTION
    histogram.reset()
  }, WINDOW).unref()
  return {
    // The mean of no values is NaN: the loop stood still for the whole window, which is too long as well.
    isTooLong: () => limit > 0 && !(delay <= limit),
    stop() {
      clearInterval(timer)
      histogram.disable()
    },
  }
}
