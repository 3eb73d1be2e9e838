/**
 * Loaded before every process of the tests: V8 compiles WebAssembly with its baseline compiler only. A test's PGlite runs
 * for seconds, and optimizing it takes longer than that saves. JavaScript, because nothing strips types yet.
 */
import { setFlagsFromString } from 'node:v8'

// NODE_OPTIONS does not accept this flag.
setFlagsFromString('--liftoff-only')
