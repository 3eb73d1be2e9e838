/** The guides for authors of clients, from `docs/`. */
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { refuseOtherMethods } from './methods.ts'
import { servePage } from './page.ts'

const folder = new URL('../../docs/', import.meta.url)
const PATH = '/guides'
const GUIDES = ['clients', 'api-conventions']

/** Where links between the files lead to on the server. */
const served: Record<string, string> = {
  ...Object.fromEntries(GUIDES.map(name => [`${name}.md`, `${PATH}/${name}`])),
  '../openapi/openapi.gen.yaml': '/openapi.yaml',
}

export async function registerGuides(app: FastifyInstance): Promise<void> {
  for (const name of GUIDES) {
    const url = `${PATH}/${name}`
    app.get(url, servePage(await readFile(new URL(`${name}.md`, folder), 'utf8'), resolve))
    refuseOtherMethods(app, url, ['GET'])
  }
}

function resolve(href: string): string | undefined {
  if (/^(https?:|#|\/)/.test(href)) return href
  const [file, fragment] = href.split('#') as [string, string?]
  const target = served[file]
  return target !== undefined && fragment !== undefined ? `${target}#${fragment}` : target
}
