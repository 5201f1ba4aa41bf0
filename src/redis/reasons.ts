import { reasonOf } from '../errors.js';

const UNTRUSTED = "the server's certificate is signed by nobody we trust (redis_ca_file)";
const REFUSED = 'the server refuses our certificate (redis_cert_file)';

/** By the error's code; those of OpenSSL's alerts are what the other side says. */
const BY_CODE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet: is the clock right?",
  CERT_SIGNATURE_FAILURE: UNTRUSTED,
  CERT_UNTRUSTED: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the server asks for a certificate (redis_cert_file)',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE:
    'the server does not agree to TLS with us: does it ask for a certificate (redis_cert_file)?',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: REFUSED,
  ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: REFUSED,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: REFUSED,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: `${REFUSED}: it has expired`,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: REFUSED,
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server does not speak TLS: write redis:// or another port',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the server does not speak TLS: write redis:// or another port',
};

/** By how the message begins: Redis's own errors, and ioredis's. */
const BY_BEGINNING: readonly (readonly [beginning: string, reason: string])[] = [
  ['NOAUTH', 'NOAUTH: the server asks for a password'],
  ['WRONGPASS', 'WRONGPASS: the server refuses the password, or the user'],
  ['Socket timeout', 'the server does not answer'],
];

/** In one line, for an operator, why a Redis cannot be reached. Quotes no argument of a command. */
export function whyUnreachable(error: unknown): string {
  // Of a name with several addresses each was tried; the error about all of them says nothing.
  if (error instanceof AggregateError) return whyUnreachable(error.errors[0]);
  const code = textOf(error, 'code');
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the server's certificate is for another name: ${textOf(error, 'reason')}`;
  }
  const message = reasonOf(error);
  const known =
    BY_CODE[code] ?? BY_BEGINNING.find(([beginning]) => message.startsWith(beginning))?.[1];
  // OpenSSL's messages are a line of numbers and source files; its reason is what they mean.
  return known ?? (code.startsWith('ERR_SSL_') ? `TLS: ${textOf(error, 'reason')}` : message);
}

function textOf(error: unknown, property: 'code' | 'reason'): string {
  if (!(error instanceof Error)) return '';
  const value: unknown = Object.getOwnPropertyDescriptor(error, property)?.value;
  return typeof value === 'string' ? value : '';
}
