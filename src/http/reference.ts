/** The interactive reference: one page and one script, which shows the contract with Scalar. */
import { readFile } from 'node:fs/promises'
import { escapeHtml } from './page.ts'
import { type Serve, serve } from './serve.ts'

/** What the page may load: its script and the contract, images in its style sheet, and styles that its script sets. */
const POLICY = [
  "default-src 'self'",
  "style-src 'unsafe-inline'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "object-src 'none'",
  "frame-ancestors 'none'",
].join('; ')
const HEADERS = { 'content-security-policy': POLICY }

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" \
fill="#1b6e53"/><path d="m4 8.5 3 3 5.5-7" fill="none" stroke="#fff" stroke-width="2"/></svg>`

/** No fonts, requests or services of anybody else. There are no options for what the style sheet hides. */
const OPTIONS = {
  agent: { disabled: true },
  mcp: { disabled: true },
  telemetry: false,
  withDefaultFonts: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  documentDownloadType: 'none',
  theme: 'none',
  defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
  customCss: 'a[href*="scalar.com"], .ascii-art, .scalar-reference-intro-clients { display: none !important }',
}

/** The page; `base` is the relative URL of the folder that the script is in. */
export function createPage(title: string, base: string): Serve {
  const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" type="image/svg+xml" href="data:image/svg+xml,${encodeURIComponent(ICON)}">
</head>
<body>
<div id="reference"></div>
<script src="${base}reference.js"></script>
</body>
</html>
`
  return serve('text/html; charset=utf-8', page, HEADERS)
}

let script: Promise<Serve> | undefined

/** The script, which every app in this process shares because it is large. */
export function loadScript(): Promise<Serve> {
  script ??= readBundle().then(bundle => {
    // Its validator would otherwise try whether the policy allows eval, which browsers report as a violation.
    const before = 'globalThis.__zod_globalConfig = { jitless: true };'
    const url = `url: new URL('json', document.currentScript.src).href`
    const after = `Scalar.createApiReference('#reference', { ...${JSON.stringify(OPTIONS)}, ${url} })`
    return serve('text/javascript; charset=utf-8', [before, bundle, after].join('\n'), HEADERS)
  })
  return script
}

/**
 * Scalar's browser bundle, from its package, which holds the bundle as a string in a module. Importing the module would
 * take about half a second and 60 MB of memory.
 */
const readBundle = async () =>
  extractBundle(await readFile(new URL(import.meta.resolve('@scalar/fastify-api-reference')), 'utf8'))

/** @throws if the module does not hold the bundle where this version of Scalar has it */
export function extractBundle(module: string): string {
  const literal = /^var standalone_default = (".*");$/m.exec(module)?.[1]
  if (literal === undefined) throw new Error('@scalar/fastify-api-reference does not contain its bundle as expected')
  // JSON does not allow the control characters that JavaScript does.
  return JSON.parse(literal.replaceAll(/\p{Cc}/gu, character => JSON.stringify(character).slice(1, -1)))
}
