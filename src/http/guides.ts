/** The guides for authors of clients, from `docs/`. */
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { refuseOtherMethods } from './methods.ts'
import { servePage } from './page.ts'

const folder = new URL('../../docs/', import.meta.url)
const PATH = '/guides'
const GUIDES = ['clients', 'dates', 'api-conventions']

/** Where the relative links in the guides lead to on the server; undefined if that is not served. */
const targets: Record<string, string | undefined> = {
  ...Object.fromEntries(GUIDES.map(name => [`${name}.md`, `${PATH}/${name}`])),
  '../openapi/openapi.gen.yaml': '/openapi.yaml',
  '../openapi/openapi-3.0.gen.yaml': '/openapi-3.0.yaml',
  '../scripts/clients': undefined,
  '../scripts/examples/offline-sync.ts': undefined,
  'adr/0003-put-keeps-later-fields.md': undefined,
}

export async function registerGuides(app: FastifyInstance): Promise<void> {
  for (const name of GUIDES) {
    const url = `${PATH}/${name}`
    app.get(url, servePage(await readFile(new URL(`${name}.md`, folder), 'utf8'), resolve))
    refuseOtherMethods(app, url, ['GET'])
  }
}

/** @throws if the target of a link is unknown */
export function resolve(href: string): string | undefined {
  if (/^(https?:|#|\/)/.test(href)) return href
  const [file] = href.split('#') as [string]
  if (!Object.hasOwn(targets, file)) throw new Error(`a guide links to ${file}, which is not known`)
  const target = targets[file]
  return target === undefined ? undefined : href.replace(file, target)
}
