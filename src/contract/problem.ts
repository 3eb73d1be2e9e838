/** Problem details (RFC 9457), the form of every error response. */
import type { components } from './openapi.gen.ts'
import { problems } from './problems.gen.ts'

export type ProblemCode = components['schemas']['ProblemCode']
export type ProblemBody = components['schemas']['Problem']
/** The contract's codes are open; these are the codes that exist. */
export type ValidationError = components['schemas']['ValidationError'] & {
  code: components['schemas']['ValidationErrorCode']
}

/** The media type of every problem. */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

/**
 * One problem. Handlers return it as an expected outcome; other code throws it.
 * `status` is a literal type, so that a handler can return only the statuses that its operation declares.
 */
export class Problem<Code extends ProblemCode = ProblemCode> extends Error {
  readonly code: Code
  readonly status: (typeof problems)[Code]['status']
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
    this.status = problems[code].status
    this.errors = more.errors
    const { retry_after: retryAfter }: { status: number; retry_after?: number } = problems[code]
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
      title: problems[this.code].title,
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
  new Problem('database_unavailable', 'The database is unavailable. Try again later.', { cause })

/** 503: too many requests are waiting. */
export const overloaded = (): Problem<'overloaded'> =>
  new Problem('overloaded', 'The server is overloaded. The request was not processed; try again later.')

/** 404: the path has no route. */
export const routeNotFound = (): Problem<'route_not_found'> =>
  new Problem('route_not_found', 'No operation has this path. The contract is at /openapi.yaml.')

/** 421: without authentication, only requests for loopback hosts are served. */
export const misdirected = (): Problem<'misdirected_request'> =>
  new Problem(
    'misdirected_request',
    'Without authentication, this server serves only localhost, 127.0.0.0/8 and [::1].',
  )
