/** Sends one request to any of the servers and reports impossible responses. */

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: as received; whatever is wrong with it becomes a finding
  body: any
}

export interface Request {
  method: string
  path: string
  body?: unknown
  headers?: Record<string, string>
}

/** Sends a request once; undefined if its outcome is unknown. */
export type Send = (request: Request) => Promise<Answer | undefined>

/**
 * @param origins returns the current servers
 * @param findings receives responses that no server may send
 */
export function createSend(origins: () => string[], findings: string[]): Send {
  return async ({ method, path, body, headers }) => {
    const choices = origins()
    const origin = choices[Math.floor(Math.random() * choices.length)]
    const response = await fetch(origin + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    })
      .then(async answer => ({ status: answer.status, text: await answer.text() }))
      .catch(({ cause }: { cause?: Error }) => {
        // Any other error means that the connection was refused, reset or cut in the middle of the response.
        if (cause?.name === 'HTTPParserError') findings.push(`${method}: the response is not HTTP: ${cause.message}`)
        return undefined
      })
    if (response === undefined) return undefined
    const { status, text } = response
    try {
      const answer = { status, body: text === '' ? undefined : JSON.parse(text) }
      return status === 503 ? undefined : answer
    } catch {
      findings.push(`${method} returned ${status} with invalid JSON: ${text}`)
      return undefined
    }
  }
}
