/** Installs oasdiff, which finds the differences between two versions of a contract, and runs it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const VERSION = '1.36.0'
/** What that version states in its go.mod. */
const OLDEST_GO = '1.26'

/** A difference as oasdiff reports it. */
export interface Finding {
  id: string
  text: string
  /** 3 is ERR, 2 is WARN, 1 is INFO. */
  level: 1 | 2 | 3
  /** A method and a path; differences outside operations have neither. */
  operation?: string
  path?: string
}

const folder = fileURLToPath(new URL(`../../node_modules/.cache/oasdiff-${VERSION}`, import.meta.url))
const binary = join(folder, 'oasdiff')

/** Whether oasdiff is installed or can be. */
export const hasOasdiff = () => existsSync(binary) || spawnSync('go', ['version']).error === undefined

/** Installs oasdiff unless it is installed already. Without Go, ends the process: with 1 if oasdiff is `required`. */
export function installOasdiff(required: boolean): void {
  if (!hasOasdiff()) {
    console.error(`Go ${OLDEST_GO} or newer is not installed, so the contract is not compared with its last release.`)
    process.exit(required ? 1 : 0)
  }
  if (existsSync(binary)) return
  // Renamed when it is complete, so that two processes can install at the same time.
  const unfinished = `${folder}.${process.pid}`
  try {
    execFileSync('go', ['install', `github.com/oasdiff/oasdiff@v${VERSION}`], {
      // GOFLAGS replaces the developer's own flags, which may not fit, such as -mod=vendor.
      env: { ...process.env, GOBIN: unfinished, GOFLAGS: '-trimpath' },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    mkdirSync(folder, { recursive: true })
    renameSync(join(unfinished, 'oasdiff'), binary)
  } catch {
    console.error(`\`go install\` of oasdiff failed: it needs Go ${OLDEST_GO} or newer, and the Go module proxy.`)
    process.exit(1)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

/** All differences between two contracts; oasdiff must be installed. */
export function findDifferences(releasedFile: string, currentFile: string): Finding[] {
  // Without --flatten-params, changes of a parameter that is declared for a whole path are not found.
  const options = ['changelog', '--flatten-params', '--format', 'json', releasedFile, currentFile]
  return JSON.parse(execFileSync(binary, options, { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 }))
}
