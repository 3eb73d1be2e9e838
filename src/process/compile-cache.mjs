/**
 * Loaded before the service (`npm start`): modules are compiled once, and from then on read as they were compiled. That makes the
 * start shorter, and what strips the types is not even loaded. JavaScript, for that has to be so from the first module on.
 */
import { enableCompileCache, flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

/** When everything is loaded that is loaded at the start, in milliseconds. */
const SETTLED = 10_000

// Where the folder cannot be written nothing is cached, and all else is the same.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url)))
setTimeout(flushCompileCache, SETTLED).unref()
// After that, for it is one of those modules.
await import('./early-signals.ts')
