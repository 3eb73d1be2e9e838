/** The variables of the address that the service listens on. */
import { integer, oneOf, text } from './parse.ts'
import { type Values, type Variables, variable } from './variable.ts'

export const listeningVariables = {
  PORT: variable('3000', integer(0, 65535), 'TCP port to listen on; 0 picks any free port.'),
  HOST: variable(
    '127.0.0.1',
    text,
    'Address to listen on. Without authentication, only a loopback address is accepted.',
  ),
  REUSE_PORT: variable(
    'off',
    oneOf('on', 'off'),
    'Whether several processes on this machine may listen on PORT at the same time. ' +
      'All of them must say `on`; the kernel (Linux) then spreads connections across them.',
  ),
} satisfies Variables

export const address = (values: Values<typeof listeningVariables>) => ({
  host: values.HOST,
  port: values.PORT,
  reusePort: values.REUSE_PORT === 'on',
})
