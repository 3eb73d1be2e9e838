/** The Grafana dashboard shows metrics that the service has. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client, onPostgres } from '../../scripts/support/service.ts'
import { exceedPipelining, lockedDatabase, metricsUrl } from '../support/metrics.ts'

interface Dashboard {
  templating: { list: { type: string; query: string }[] }
  panels: { title: string; targets: { expr: string; legendFormat: string }[] }[]
}

/** Prometheus adds them to every metric of a target. */
const TARGET_LABELS = ['job', 'instance']

/** Words of PromQL, besides functions. */
const KEYWORDS = [
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'bool',
  'offset',
  'and',
  'or',
  'unless',
]
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g

/** The metrics of a PromQL expression, and the labels that it expects each of them to have. */
function namesIn(expression: string): { metrics: string[]; labels: string[] } {
  const bare = expression.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
  const matchers = [...bare.matchAll(/\{([^}]*)\}/g)].map(([, inner = '']) => inner.replaceAll(/[!=]~|!?=|""/g, ' '))
  const groups = [...bare.matchAll(GROUPING)].map(([, inner = '']) => inner)
  const rest = bare.replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ').replaceAll(GROUPING, ' ')
  // An identifier before a parenthesis is a function or an aggregation.
  const words = rest.match(/[a-zA-Z_:][\w:]*\b(?!\s*\()/g) ?? []
  const identifiers = (text: string) => text.match(/[a-zA-Z_]\w*/g) ?? []
  return {
    metrics: [...new Set(words.filter(word => !KEYWORDS.includes(word)))],
    labels: [...new Set([...matchers, ...groups].flatMap(identifiers))],
  }
}

/** The labels of each metric in Prometheus' text format. */
function labelsByMetric(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const [, name = '', labels = ''] of text.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/gm)) {
    const known = found.get(name) ?? new Set()
    for (const [, label = ''] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) known.add(label)
    found.set(name, known)
  }
  return found
}

t.test('the names in an expression are found', async t => {
  const expression =
    'sum by (le, a) (rate(x_bucket{b=~"c{d}|\\"e\\"", f!="g"}[5m])) / on(h) (y_total or vector(0)) > 0.5'
  t.same(namesIn(expression), { metrics: ['x_bucket', 'y_total'], labels: ['b', 'f', 'le', 'a', 'h'] })
})

t.test('every metric and label of the dashboard is one that the service has', async t => {
  const file = new URL('../../docs/grafana-dashboard.json', import.meta.url)
  const { panels, templating } = JSON.parse(await readFile(file, 'utf8')) as Dashboard
  const targets = panels.flatMap(panel => panel.targets.map(target => ({ ...target, title: panel.title })))
  const variables = templating.list
    .filter(({ type }) => type === 'query')
    .map(({ query }) => ({
      title: query,
      expr: /^label_values\((.*), \w+\)$/.exec(query)?.[1] ?? '',
      legendFormat: '',
    }))
  t.ok(targets.length >= 20)
  t.equal(variables.length, TARGET_LABELS.length)

  await using config = await lockedDatabase()
  await using service = await startProcess({ ...environment(config), METRICS_PORT: '0' })
  await untilHealthy(service.origin)
  const user = await client(service.origin).newUser()
  const { id } = await user.createTask({ title: 'A task' })
  t.equal((await user.send.deleteTask(id)).status, 503)
  await exceedPipelining(service)
  const url = await metricsUrl(service)
  const scrape = async () => labelsByMetric(await (await fetch(url)).text())
  let actual = await scrape()
  // The purge runs beside the requests.
  while (!actual.has('job_runs_total')) actual = await scrape()

  for (const { title, expr, legendFormat } of [...targets, ...variables]) {
    const { metrics, labels } = namesIn(expr)
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label as string)
    t.ok(metrics.length > 0, `${title}: ${expr}`)
    for (const metric of metrics) {
      // PGlite has no pool.
      const skip = !onPostgres && metric.startsWith('db_client_connection_') && 'needs PostgreSQL'
      t.ok(actual.has(metric), `${title}: ${metric}`, { skip })
      for (const label of new Set([...labels, ...shown])) {
        if (TARGET_LABELS.includes(label)) continue
        t.ok(actual.get(metric)?.has(label), `${title}: ${label} of ${metric}`, { skip })
      }
    }
  }
})
