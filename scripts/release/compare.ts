/** Compares the contract with its last release, in the repository in the current folder. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { findDifferences, installOasdiff } from '../support/oasdiff.ts'
import { type Change, judge, judgeUnreferenced, neededStep } from './changes.ts'
import type { Step } from './version.ts'

export const bundle = 'openapi/openapi.gen.yaml'
export const releasedBundle = 'openapi/released/openapi.yaml'

export interface Comparison {
  /** `info.version` of the last release and of now. */
  released: string
  current: string
  changes: Change[]
  needed: Step
}

/** The comparison; undefined if nothing has been released. Without Go, ends the process as `installOasdiff` says. */
export async function compareWithRelease(required: boolean): Promise<Comparison | undefined> {
  if (!existsSync(releasedBundle)) return undefined
  installOasdiff(required)
  const released = parse(await readFile(releasedBundle, 'utf8'))
  const current = parse(await readFile(bundle, 'utf8'))
  const changes = [...judgeUnreferenced(released, current), ...judge(findDifferences(releasedBundle, bundle))]
  const versions = { released: released.info.version, current: current.info.version }
  return { ...versions, changes, needed: neededStep(changes) }
}
