/** The Kubernetes manifest in docs/operations.md agrees with the contract and with the configuration. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { contract } from '../scripts/support/contract.ts'
import { variables } from '../src/config/variables.ts'

/** Seconds that the process takes to exit after SHUTDOWN_TIMEOUT. */
const EXIT = 1

interface Variable {
  name: string
  value: string
}

async function readManifest() {
  const text = await readFile(new URL('../docs/operations.md', import.meta.url), 'utf8')
  const [, yaml = ''] = /```yaml\n([^`]+)```/.exec(text) ?? []
  return Object.fromEntries(parseAllDocuments(yaml).map(document => [document.toJS().kind, document.toJS()]))
}

const { Secret, Deployment, Service } = await readManifest()
const { metadata, spec: pod } = Deployment.spec.template
const [container] = pod.containers
const env: Record<string, string> = Object.fromEntries(container.env.map(({ name, value }: Variable) => [name, value]))
const { stringData: secrets } = Secret
const settingOf = (name: 'DRAIN_DELAY' | 'SHUTDOWN_TIMEOUT') => Number(env[name] ?? variables[name].default)

t.test('the probes call the operations for readiness and liveness on the port of the service', async t => {
  const pathOf = (id: string) => contract.operations.find(({ operationId }) => operationId === id)?.path
  const { startupProbe, livenessProbe, readinessProbe } = container
  t.equal(startupProbe.httpGet.path, pathOf('getLiveness'))
  t.equal(livenessProbe.httpGet.path, pathOf('getLiveness'))
  t.equal(readinessProbe.httpGet.path, pathOf('getHealth'))
  const [port] = container.ports
  t.equal(String(port.containerPort), variables.PORT.default)
  for (const probe of [startupProbe, livenessProbe, readinessProbe]) t.equal(probe.httpGet.port, port.name)
  t.equal(Service.spec.ports[0].targetPort, port.name)
  t.same(Service.spec.selector, metadata.labels)
  t.same(Deployment.spec.selector.matchLabels, metadata.labels)
})

t.test('the pod has time to be taken out of the Service and to finish its requests', async t => {
  const { periodSeconds, failureThreshold } = container.readinessProbe
  t.ok(settingOf('DRAIN_DELAY') > periodSeconds * failureThreshold)
  t.ok(pod.terminationGracePeriodSeconds > settingOf('DRAIN_DELAY') + settingOf('SHUTDOWN_TIMEOUT') + EXIT)
})

t.test('every variable exists, and the placeholder of the secret is refused', async t => {
  t.equal(container.envFrom[0].secretRef.name, Secret.metadata.name)
  const names = Object.keys({ ...env, ...secrets })
  t.same(
    names.filter(name => !Object.hasOwn(variables, name)),
    [],
  )
  t.throws(() => variables.AUTH_SECRET.parse(secrets.AUTH_SECRET))
  t.ok(variables.DATABASE_URL.parse(secrets.DATABASE_URL))
})
