/** Writes everything that is derived from the contract, the configuration and the code; `--check` only compares. */
import { readFile, writeFile } from 'node:fs/promises'
import { Converter } from '@apiture/openapi-down-convert'
import openapiTypes, { astToString } from 'openapi-typescript'
import { parse, stringify } from 'yaml'
import { variables } from '../src/config/variables.ts'
import type { Operation, Schema } from '../src/contract/load.ts'
import { queriesPage } from './queries.ts'

const root = new URL('../', import.meta.url)
const contractFile = new URL('openapi/openapi.yaml', root)
const contract = parse(await readFile(contractFile, 'utf8'))

/** openapi-typescript's types, and the names of what has a default: those the handlers find filled in. */
async function types(): Promise<string> {
  const ast = await openapiTypes(contractFile, { defaultNonNullable: true })
  return `// Generated from openapi/openapi.yaml by \`npm run generate\`. Do not edit.\n${astToString(ast)}${defaults()}`
}

function defaults(): string {
  const lines = Object.values(contract.paths as Record<string, Record<string, Operation>>).flatMap(path =>
    Object.values(path)
      .filter(operation => operation.operationId !== undefined)
      .map(operation => {
        const query = (operation.parameters ?? []).filter(parameter => parameter.schema?.default !== undefined)
        const media = operation.requestBody?.content['application/json'] as { schema: Schema } | undefined
        const body = Object.entries((resolve(media?.schema).properties ?? {}) as Record<string, Schema>)
        const withDefault = body.filter(([, schema]) => resolve(schema).default !== undefined).map(([name]) => name)
        return `    ${operation.operationId}: { query: ${union(query.map(({ name }) => name))}; body: ${union(withDefault)} };`
      }),
  )
  return `/** Which query parameters and body fields of an operation have a default. */\nexport interface defaults {\n${lines.join('\n')}\n}\n`
}

const union = (names: string[]) => names.map(name => JSON.stringify(name)).join(' | ') || 'never'

function resolve(schema: Schema | undefined): Schema {
  if (typeof schema?.$ref !== 'string') return schema ?? {}
  return contract.components.schemas[schema.$ref.replace('#/components/schemas/', '')]
}

/** For toolchains that do not read 3.1. */
function openapi30(): string {
  const converted = new Converter(JSON.parse(JSON.stringify(contract), nullable)).convert()
  return `# Generated from openapi.yaml by \`npm run generate\`. Do not edit.\n${stringify(converted, { aliasDuplicateObjects: false })}`
}

/** `oneOf: [X, null]`, which the converter leaves as it is, in the words of OpenAPI 3.0. */
function nullable(_key: string, value: Schema | null): unknown {
  const [only, none, ...others] = (value?.oneOf ?? []) as Schema[]
  if (none?.type !== 'null' || others.length > 0) return value
  const { oneOf: _, ...rest } = value as Schema
  return { ...rest, type: 'object', nullable: true, allOf: [only] }
}

function envExample(): string {
  const entries = Object.entries(variables).map(
    ([name, { default: fallback, description }]) => `${comment(description)}# ${name}=${fallback}\n`,
  )
  return `# Copy to .env and change what you need. Every value here is the default.\n\n${entries.join('\n')}`
}

/** Lines of at most 120 characters. */
const comment = (text: string) => text.replace(/(.{1,118})(?: |$)/g, '# $1\n')

/** The README with its configuration table made anew. */
async function readme(): Promise<string> {
  const rows = Object.entries(variables).map(
    ([name, { default: fallback, description }]) =>
      `| \`${name}\` | ${fallback && `\`${fallback}\``} | ${description} |`,
  )
  const table = ['| variable | default | meaning |', '| --- | --- | --- |', ...rows].join('\n')
  const text = await readFile(new URL('README.md', root), 'utf8')
  return text.replace(
    /(<!-- configuration -->\n)[\s\S]*(<!-- \/configuration -->)/,
    (_, start, end) => `${start}${table}\n${end}`,
  )
}

const files: Record<string, string> = {
  'src/contract/openapi.gen.ts': await types(),
  'openapi/openapi-3.0.gen.yaml': openapi30(),
  '.env.example': envExample(),
  'README.md': await readme(),
  'docs/queries.md': await queriesPage(),
}

let stale = 0
for (const [name, content] of Object.entries(files)) {
  const file = new URL(name, root)
  if (!process.argv.includes('--check')) await writeFile(file, content)
  else if ((await readFile(file, 'utf8').catch(() => '')) !== content) {
    console.error(`${name} is stale: run \`npm run generate\` and commit the result.`)
    stale += 1
  }
}
process.exit(stale === 0 ? 0 : 1)
