/** Problem details (RFC 9457), the form of every error response. */
import type { components } from './openapi.gen.ts'

export type ProblemCode = components['schemas']['ProblemCode']
export type ProblemBody = components['schemas']['Problem']
export type ValidationError = components['schemas']['ValidationError']

interface Kind {
  status: number
  title: string
  /** Seconds after which a client may retry, sent as Retry-After. */
  retryAfter?: number
}

const kinds = {
  validation_failed: { status: 400, title: 'The request breaks rules of the contract' },
  malformed_json: { status: 400, title: 'The body is not JSON' },
  malformed_request: { status: 400, title: 'The request is not well-formed HTTP' },
  unauthenticated: { status: 401, title: 'A valid token is needed' },
  forbidden: { status: 403, title: 'The token is not for this' },
  route_not_found: { status: 404, title: 'Nothing is here' },
  task_not_found: { status: 404, title: 'No such task' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  not_acceptable: { status: 406, title: 'The wanted media type is not offered' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  id_taken: { status: 409, title: 'The id is taken' },
  id_in_trash: { status: 409, title: 'The id is in the trash' },
  quota_exceeded: { status: 409, title: 'The quota is exceeded' },
  idempotency_key_in_use: { status: 409, title: 'The idempotency key is in use', retryAfter: 1 },
  idempotency_key_reused: { status: 422, title: 'The idempotency key was used for another request' },
  sync_token_expired: { status: 410, title: 'The sync token is too old' },
  precondition_failed: { status: 412, title: 'The task has changed' },
  content_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: "The body's media type is not supported" },
  misdirected_request: { status: 421, title: 'The request is for another host' },
  rate_limited: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong here' },
  database_unavailable: { status: 503, title: 'The database is not available', retryAfter: 1 },
  overloaded: { status: 503, title: 'Too much is going on', retryAfter: 1 },
  stopping: { status: 503, title: 'The service is stopping', retryAfter: 1 },
  keys_unavailable: { status: 503, title: 'Tokens cannot be checked', retryAfter: 1 },
} as const satisfies Record<ProblemCode, Kind>

/** The media type of every problem. */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

/**
 * One problem. Handlers return it as an expected outcome; other code throws it.
 * `status` is a literal type, so that a handler can return only the statuses that its operation declares.
 */
export class Problem<Code extends ProblemCode = ProblemCode> extends Error {
  readonly code: Code
  readonly status: (typeof kinds)[Code]['status']
  readonly errors: ValidationError[] | undefined
  readonly headers: Record<string, string>
  /** The index of the batch item that it concerns. */
  readonly index: number | undefined

  /**
   * @param detail what is wrong with this request and how to fix it, for people
   * @param more.errors the validation errors, with `validation_failed`
   * @param more.headers response headers that belong to the problem, such as Allow or Retry-After
   * @param more.cause the error behind it, for the log, never for the client
   */
  constructor(
    code: Code,
    detail: string,
    more: { errors?: ValidationError[]; headers?: Record<string, string>; index?: number; cause?: unknown } = {},
  ) {
    super(detail, { cause: more.cause })
    this.code = code
    this.status = kinds[code].status
    this.errors = more.errors
    const { retryAfter }: Kind = kinds[code]
    this.headers = { ...(retryAfter !== undefined && { 'retry-after': `${retryAfter}` }), ...more.headers }
    this.index = more.index
  }

  /** The same problem for a batch item; without headers, which describe a state that the batch has rolled back. */
  ofItem(index: number): Problem<Code> {
    return new Problem(this.code, `Item ${index}: ${this.message}`, { index })
  }

  /** The body of the response; `requestId` identifies the occurrence. */
  body(requestId: string): ProblemBody {
    return {
      type: `/problems/${this.code}`,
      title: kinds[this.code].title,
      status: this.status,
      detail: this.message,
      instance: `/requests/${encodeURIComponent(requestId)}`,
      code: this.code,
      ...(this.index !== undefined && { index: this.index }),
      ...(this.errors && { errors: this.errors }),
    }
  }
}

/** 503: the database is unreachable or read-only. */
export const databaseUnavailable = (cause?: unknown): Problem<'database_unavailable'> =>
  new Problem('database_unavailable', 'The database is not available at the moment. Try again later.', { cause })

/** 503: too many requests are waiting. */
export const overloaded = (): Problem<'overloaded'> =>
  new Problem('overloaded', 'More is asked for than can be done at the moment. Nothing was done; try again later.')

/** 404: the path has no route. */
export const routeNotFound = (): Problem<'route_not_found'> =>
  new Problem('route_not_found', 'There is nothing at this path. The contract is at /openapi.yaml.')

/** 421: without authentication, only requests for loopback hosts are served. */
export const misdirected = (): Problem<'misdirected_request'> =>
  new Problem(
    'misdirected_request',
    'Without authentication this server answers to localhost, 127.0.0.0/8 and [::1] only.',
  )
