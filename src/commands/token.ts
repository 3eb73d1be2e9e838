/** `npm run token -- alice [seconds]`: creates a token for development, signed with AUTH_SECRET, valid for an hour. */
import { SignJWT } from 'jose'
import { readConfig } from '../config/read.ts'
import { createAjv, loadContract } from '../contract/load.ts'
import { handlers } from '../handlers.ts'
import { StartError } from '../process/start-error.ts'

const HOUR = 3600

try {
  const [user, seconds = `${HOUR}`, ...more] = process.argv.slice(2)
  const { AUTH_SECRET, AUTH_AUDIENCE, AUTH_TOKEN_TYPE = 'JWT' } = readConfig()
  const { document } = await loadContract(handlers)
  const isUser = createAjv().compile(document.components.schemas.UserId)
  if (user === undefined || !isUser(user) || !/^[1-9]\d*$/.test(seconds) || more.length > 0) {
    throw new StartError('Usage: npm run token -- <user_id> [seconds], for example: npm run token -- alice 600')
  }
  if (AUTH_SECRET === undefined) throw new StartError("Set AUTH_SECRET to the service's secret.")
  const token = new SignJWT()
    .setProtectedHeader({ alg: 'HS256', typ: AUTH_TOKEN_TYPE })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime(`${seconds}s`)
  if (AUTH_AUDIENCE !== undefined) token.setAudience(AUTH_AUDIENCE)
  console.log(await token.sign(new TextEncoder().encode(AUTH_SECRET)))
} catch (error) {
  console.error(error)
  process.exit(1)
}
