/** One request to one of the servers, and what its answer says of the service. */

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: what came over the wire; what is wrong with it becomes a finding
  body: any
}

export interface Request {
  method: string
  path: string
  body?: unknown
  headers?: Record<string, string>
}

/** Sends a request once; undefined where nobody knows what became of it. */
export type Send = (request: Request) => Promise<Answer | undefined>

/**
 * @param origins of the servers now
 * @param findings gets what no server may answer
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
        // Whatever else it is, the request was refused or reset, or cut in the middle of the answer.
        if (cause?.name === 'HTTPParserError')
          findings.push(`${method}: what was answered is not HTTP: ${cause.message}`)
        return undefined
      })
    if (response === undefined) return undefined
    const { status, text } = response
    try {
      const answer = { status, body: text === '' ? undefined : JSON.parse(text) }
      return status === 503 ? undefined : answer
    } catch {
      findings.push(`${method} was answered ${status} with what is not JSON: ${text}`)
      return undefined
    }
  }
}
