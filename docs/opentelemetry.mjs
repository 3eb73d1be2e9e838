/** Traces requests and their statements with OpenTelemetry; operations.md says how to use it. */
import { register } from 'node:module'
import FastifyOtelInstrumentation from '@fastify/otel'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import { NodeSDK } from '@opentelemetry/sdk-node'

// The service consists of ES modules; without these hooks, only modules loaded by `require` are instrumented.
register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)

new NodeSDK({
  instrumentations: [
    new HttpInstrumentation(),
    // It names the route. A span for every hook would only say that the hooks ran.
    new FastifyOtelInstrumentation({
      registerOnInitialization: true,
      instrumentHooks: false,
      instrumentHandler: false,
    }),
    // Statements of requests only, not those of migrations and of work in the background.
    new PgInstrumentation({ requireParentSpan: true }),
  ],
}).start()
