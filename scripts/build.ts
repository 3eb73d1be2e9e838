/** `npm run build`: writes the service as JavaScript to `dist/`, because Node strips no types under `node_modules`. */
import { cp, glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CODE = '{migrations,src}/**/*.{ts,mjs}'
/** What the service reads when it starts. */
const DOCUMENTS = '{openapi/*.gen.yaml,docs/{api-conventions,clients,dates}.md}'
/** The same folders as in the repository, so that relative paths are valid in both. */
const output = 'dist'

process.chdir(fileURLToPath(new URL('../', import.meta.url)))
await rm(output, { recursive: true, force: true })
for await (const file of glob(DOCUMENTS)) await cp(file, join(output, file))
for await (const file of glob(CODE)) {
  const target = join(output, file.replace(/\.ts$/, '.js'))
  await mkdir(dirname(target), { recursive: true })
  await writeFile(target, compile(await readFile(file, 'utf8')))
}

/** Types become blanks, and `.js` is as long as `.ts`: every line and column is that of the source. */
function compile(source: string): string {
  return stripTypeScriptTypes(source).replaceAll(/(\b(?:from|import)[ (]'\.[^']+)\.ts'/g, "$1.js'")
}
