/** Refuses requests that need the database while the event loop is overloaded. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import { overloaded } from '../contract/problem.ts'
import { needsDatabase } from './operation.ts'

/** Milliseconds between two firings of the histogram's timer; the histogram records the actual intervals. */
const RESOLUTION = 10

/** Milliseconds over which the delay is averaged. */
const WINDOW = 1000

/** @param maxDelay how late timers may be, in milliseconds on average over a second; 0 is no limit */
export function refuseOverload(app: FastifyInstance, maxDelay: number): void {
  const delay = watchEventLoopDelay(maxDelay)
  app.addHook('onClose', async () => delay.stop())
  app.addHook('onRequest', (request, _reply, done) => {
    const { operation } = request.routeOptions.config
    // Other operations are cheap, and the liveness check must not fail because of load.
    if (operation !== undefined && delay.isTooLong() && needsDatabase(operation)) throw overloaded()
    done()
  })
}

function watchEventLoopDelay(maxDelay: number) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
  histogram.enable()
  let delay = 0
  const timer = setInterval(() => {
    delay = histogram.mean / 1e6 - RESOLUTION
    histogram.reset()
  }, WINDOW).unref()
  return {
    // The mean of no values is NaN: the loop was blocked for the whole window, which is too long as well.
    isTooLong: () => maxDelay > 0 && !(delay <= maxDelay),
    stop() {
      clearInterval(timer)
      histogram.disable()
    },
  }
}
