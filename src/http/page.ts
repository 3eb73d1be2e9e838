/** HTML pages for people, from Markdown. */
import { createHash } from 'node:crypto'
import { Marked, type Tokens } from 'marked'
import { type Serve, serve } from './serve.ts'

const STYLE = `
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 46rem; padding: 1rem; font: 1rem/1.6 system-ui, sans-serif; overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: .4rem; overflow-wrap: normal; }
code { font-size: .9em; }
table { display: block; overflow-x: auto; border-collapse: collapse; overflow-wrap: normal; }
th, td { padding: .3rem .6rem; border: 1px solid #8886; text-align: left; vertical-align: top; }
`

const hash = createHash('sha256').update(STYLE).digest('base64')

/** A page loads nothing but its own style. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${hash}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The fragment of a heading, as on GitHub, so that links to it work in both places. */
const slug = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-')

export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

/**
 * @param markdown trusted text: HTML in it is not escaped
 * @param resolve returns where a link leads to; undefined if that is not served, so that only its text is shown
 */
export function servePage(markdown: string, resolve: (href: string) => string | undefined = href => href): Serve {
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text }: Tokens.Heading) {
        return `<h${depth} id="${slug(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`
      },
      link({ href, tokens }: Tokens.Link) {
        const [target, text] = [resolve(href), this.parser.parseInline(tokens)]
        return target === undefined ? text : `<a href="${escapeHtml(target)}">${text}</a>`
      },
    },
  })
  const [, title] = /^# (.+)$/m.exec(markdown) as unknown as [string, string]
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
<body>
${marked.parse(markdown, { async: false })}</body>
</html>
`
  return serve('text/html; charset=utf-8', html, { 'content-security-policy': POLICY })
}
