/**
 * Caches compiled modules, so that the service starts faster and does not even load what strips the types. `npm start`
 * loads this first; it is JavaScript so that no module is compiled before the cache is enabled.
 */
import { enableCompileCache, flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Milliseconds after which everything needed at start is loaded. */
const SETTLED = 10_000

// If the folder is not writable, nothing is cached and everything else works as usual.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url)))
setTimeout(flushCompileCache, SETTLED).unref()
// Afterwards, because it should be cached as well.
await import('./early-signals.ts')
