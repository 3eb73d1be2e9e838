/** Parses the texts of variables. Each function throws an error whose message starts with "must". */
import ipaddr from 'ipaddr.js'
import { isTrustworthyUrl } from './loopback.ts'

export const text = (value: string) => value

export const integer = (smallest: number, largest: number) => (value: string) => {
  const number = Number(value)
  if (!/^[0-9]+$/.test(value) || number < smallest || number > largest) {
    throw new Error(`must be a whole number from ${smallest} to ${largest}`)
  }
  return number
}

export const oneOf =
  <T extends string>(...choices: T[]) =>
  (value: string) => {
    if (!choices.includes(value as T)) throw new Error(`must be one of ${choices.join(', ')}`)
    return value as T
  }

/** For a variable without a value if its text is empty. */
export const optional =
  <T>(parse: (text: string) => T) =>
  (value: string) =>
    value === '' ? undefined : parse(value)

export const issuerUrl = (value: string) => {
  if (!isTrustworthyUrl(value)) throw new Error('must be an https:// URL, or an http:// URL of a loopback host')
  return value
}

/** RFC 7518, 3.2: a key for HS256 must have at least as many bytes as the hash. */
export const MIN_SECRET_BYTES = 32

export const secret = (value: string) => {
  if (Buffer.byteLength(value) < MIN_SECRET_BYTES) throw new Error(`must have at least ${MIN_SECRET_BYTES} bytes`)
  return value
}

export const addresses = (value: string) => {
  const isAddress = (text: string) => ipaddr.isValid(text) || ipaddr.isValidCIDR(text)
  if (!value.split(',').every(isAddress))
    throw new Error('must be addresses or networks such as 10.0.0.0/8, separated by commas')
  return value
}

export const origins = (value: string) => {
  const list = value.split(',')
  if (!list.every(origin => URL.parse(origin)?.origin === origin)) {
    throw new Error('must be origins such as https://app.example.org, separated by commas')
  }
  return list
}

/** An origin that is safe to name in documents: over HTTPS, except on loopback. */
export const publicOrigin = (value: string) => {
  if (URL.parse(value)?.origin !== value || !isTrustworthyUrl(value)) {
    throw new Error('must be an origin such as https://tasks.example.org, or http:// and a loopback host')
  }
  return value
}

export const contact = (value: string) => {
  if (!/^(mailto:[!-~]+@[!-~]+|https:\/\/[!-~]+|tel:\+?[0-9-]+)$/.test(value) || !URL.canParse(value)) {
    throw new Error('must be a URI such as mailto:security@example.org or https://example.org/security')
  }
  return value
}

export const postgresUrl = (value: string) => {
  // A URL of a socket has no host, and `URL` requires one after a user.
  if (!/^postgres(ql)?:\/\//.test(value) || !URL.canParse(value.replace('@/', '@socket/'))) {
    throw new Error('must be a URL such as postgresql://user:password@host:5432/database')
  }
  return value
}
