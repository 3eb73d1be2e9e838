/** The variables of discovery: the service's public address and its security contact. */
import { contact, optional, publicOrigin } from './parse.ts'
import { type Values, type Variables, variable } from './variable.ts'

export const discoveryVariables = {
  PUBLIC_URL: variable(
    '',
    optional(publicOrigin),
    'Origin at which clients reach the service, such as https://tasks.example.org; it is named in documents for ' +
      'discovery. If not set, it is taken from the Host header (behind TRUST_PROXY: X-Forwarded-Host and -Proto).',
  ),
  SECURITY_CONTACT: variable(
    '',
    optional(contact),
    'Where to report vulnerabilities: a mailto:, https:// or tel: URI, served at /.well-known/security.txt ' +
      '(RFC 9116). If not set, that file does not exist.',
  ),
} satisfies Variables

export const discovery = (values: Values<typeof discoveryVariables>) => ({
  publicUrl: values.PUBLIC_URL,
  securityContact: values.SECURITY_CONTACT,
})
