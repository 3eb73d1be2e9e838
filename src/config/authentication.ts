/** The variables of authentication. */
import { integer, issuerUrl, MIN_SECRET_BYTES, optional, secret, text } from './parse.ts'
import { type Values, type Variables, variable } from './variable.ts'

export const authenticationVariables = {
  AUTH_ISSUER: variable(
    '',
    optional(issuerUrl),
    "Issuer of the callers' tokens (OpenID Connect). `iss` must equal it, and its keys are discovered from it.",
  ),
  AUTH_JWKS_URL: variable(
    '',
    optional(issuerUrl),
    "URL of the issuer's keys, used instead of discovery. If AUTH_ISSUER is not set, `iss` is not checked.",
  ),
  AUTH_KEYS_MAX_AGE: variable(
    `${24 * 60 * 60}`,
    integer(60, 1_000_000_000),
    "Maximum age of the issuer's keys in seconds. While the issuer is unavailable, its keys stay in use for that " +
      'long, even those revoked in the meantime; after that, requests get 503. The default is 24 hours.',
  ),
  AUTH_SECRET: variable(
    '',
    optional(secret),
    `Secret of at least ${MIN_SECRET_BYTES} bytes that signs tokens (HS256), instead of an issuer. ` +
      '`npm run token -- alice` creates such a token.',
    'secret',
  ),
  AUTH_AUDIENCE: variable(
    '',
    optional(text),
    'Audience that `aud` of a token must be or contain. ' +
      'If not set, every token of the issuer is accepted, even one for another service.',
  ),
  AUTH_TOKEN_TYPE: variable(
    '',
    optional(text),
    'Type that `typ` of a token must be. Set it to `at+jwt` if the issuer follows RFC 9068; ID tokens are then ' +
      'refused. If not set, `JWT`, `at+jwt` and tokens without a `typ` are accepted.',
  ),
} satisfies Variables

type Method = Pick<Values<typeof authenticationVariables>, 'AUTH_ISSUER' | 'AUTH_JWKS_URL' | 'AUTH_SECRET'>

/** Whether tokens are verified with an issuer's keys. */
export const hasIssuer = ({ AUTH_ISSUER, AUTH_JWKS_URL }: Omit<Method, 'AUTH_SECRET'>): boolean =>
  (AUTH_ISSUER ?? AUTH_JWKS_URL) !== undefined

/** Whether callers must authenticate. */
export const hasAuthentication = (values: Method): boolean => hasIssuer(values) || values.AUTH_SECRET !== undefined

/** How tokens are verified; undefined without authentication. */
export const authConfig = (values: Values<typeof authenticationVariables>) =>
  hasAuthentication(values)
    ? {
        secret: values.AUTH_SECRET,
        issuer: values.AUTH_ISSUER,
        jwksUrl: values.AUTH_JWKS_URL,
        audience: values.AUTH_AUDIENCE,
        tokenType: values.AUTH_TOKEN_TYPE,
        keysMaxAge: values.AUTH_KEYS_MAX_AGE * 1000,
      }
    : undefined
