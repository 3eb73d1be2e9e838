/** Puts the guard together. */
import type { FastifyBaseLogger } from 'fastify'
import { type AuthConfig, createAuthenticate } from './authenticate.ts'
import { createGuard, type Guard } from './guard.ts'
import { createRateLimit } from './rate-limit.ts'

/** @param auth undefined without authentication */
export const configureGuard = (
  auth: AuthConfig | undefined,
  limits: { user: number; address: number },
  log: FastifyBaseLogger,
): Guard =>
  createGuard({
    authenticate: auth && createAuthenticate(auth, log),
    userLimit: limits.user > 0 ? createRateLimit('user', limits.user) : undefined,
    addressLimit: limits.address > 0 ? createRateLimit('address', limits.address) : undefined,
  })
