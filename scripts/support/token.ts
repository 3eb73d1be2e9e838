/** Bearer tokens of a server with a shared secret, valid for an hour. */
import { SignJWT } from 'jose'

export const signToken = (secret: string, user: string): Promise<string> =>
  new SignJWT()
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret))
