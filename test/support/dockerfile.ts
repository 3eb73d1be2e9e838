/** Builds a Dockerfile without a container engine: each stage is a folder, and `RUN` runs on this machine. */
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A stage; the last one is the image. */
export interface Stage {
  /** The folder that stands for `/`. */
  root: string
  base: string
  env: Record<string, string>
  workdir: string
  user: string
  entrypoint: string[]
  healthcheck: string[]
}

/** Builds the Dockerfile of `repository` in subfolders of `folder`. */
export async function buildImage(repository: string, folder: string): Promise<Stage> {
  const context = await copyContext(repository, join(folder, 'context'))
  const stages = new Map<string, Stage>()
  let stage: Stage | undefined
  for (const [word, text] of await readInstructions(join(repository, 'Dockerfile'))) {
    if (word === 'FROM') {
      const [base = '', , name = 'image'] = text.split(' ')
      const root = join(folder, name)
      stage = { root, base, env: {}, workdir: '/', user: 'root', entrypoint: [], healthcheck: [] }
      stages.set(name, stage)
    } else if (stage !== undefined) {
      await execute(stage, word, text, name => stages.get(name)?.root ?? context)
    }
  }
  if (stage === undefined) throw new Error('the Dockerfile has no stage')
  return stage
}

/** Copies what .dockerignore, which excludes everything at first, includes again. */
async function copyContext(repository: string, context: string): Promise<string> {
  const [, first, ...lines] = (await readFile(join(repository, '.dockerignore'), 'utf8')).trim().split('\n')
  if (first !== '*' || !lines.every(line => /^![\w.-]+$/.test(line))) throw new Error('.dockerignore has other lines')
  for (const name of lines.map(line => line.slice(1))) {
    await cp(join(repository, name), join(context, name), { recursive: true })
  }
  return context
}

async function readInstructions(file: string): Promise<[string, string][]> {
  const text = (await readFile(file, 'utf8')).replaceAll('\\\n', '').replaceAll(/^#.*\n/gm, '')
  const lines = text.split('\n').filter(line => line !== '')
  return lines.map(line => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1).trim()])
}

/** @param source returns the folder that a stage, or the build's context (''), is in */
async function execute(stage: Stage, word: string, text: string, source: (stage: string) => string): Promise<void> {
  const here = join(stage.root, stage.workdir)
  if (word === 'WORKDIR') {
    stage.workdir = text
    await mkdir(join(stage.root, text), { recursive: true })
  } else if (word === 'COPY') {
    const [, from = '', paths = ''] = /^(?:--from=(\S+) )?(.+)$/.exec(text) ?? []
    await copy(source(from), here, paths.split(' '))
  } else if (word === 'RUN') {
    // What npm has downloaded before is not downloaded again.
    await run('sh', ['-c', text], { cwd: here, env: { ...process.env, npm_config_prefer_offline: 'true' } })
  } else if (word === 'ENV') {
    Object.assign(stage.env, Object.fromEntries(text.split(' ').map(pair => pair.split('='))))
  } else if (word === 'USER') stage.user = text
  else if (word === 'ENTRYPOINT') stage.entrypoint = JSON.parse(text)
  else if (word === 'HEALTHCHECK') stage.healthcheck = JSON.parse(text.replace(/^.*CMD /, ''))
  else if (word !== 'EXPOSE') throw new Error(`${word} is not supported`)
}

async function copy(from: string, here: string, paths: string[]): Promise<void> {
  const target = paths.at(-1) as string
  for (const path of paths.slice(0, -1)) {
    const source = join(from, path)
    const isFile = (await stat(source)).isFile()
    await cp(source, join(here, target, isFile ? basename(path) : ''), { recursive: true, verbatimSymlinks: true })
  }
}
