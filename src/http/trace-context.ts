/** The trace that a request belongs to (W3C Trace Context), for the log. */
import type { IncomingHttpHeaders } from 'node:http'

/** The fields of a log line that concerns the request. */
export interface Trace {
  trace_id: string
  /** The span of the caller. Not `span_id`, which a tracer in this process may add to the same line. */
  parent_span_id: string
}

/** Version, trace id, parent id and flags. A later version may append more. */
const TRACEPARENT = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-[\da-f]{2}(-.*)?$/

/** The trace that the request's `traceparent` names; undefined without a valid one. */
export function traceOf({ traceparent }: IncomingHttpHeaders): Trace | undefined {
  // Node joins repeated headers with a comma, which makes them invalid.
  if (typeof traceparent !== 'string') return
  const [, version, traceId, parentId, more] = TRACEPARENT.exec(traceparent) ?? []
  if (traceId === undefined || parentId === undefined || (version === '00' && more !== undefined)) return
  return { trace_id: traceId, parent_span_id: parentId }
}
