/** Why a connection failed, in words, from the codes of Node. */

/** What is wrong with codes that begin so; the first that fits. */
const KINDS: readonly (readonly [RegExp, (target: string) => string])[] = [
  [/^(ENOTFOUND|EAI_)/, (target) => `the name in ${target} cannot be resolved`],
  [/^ECONNREFUSED/, (target) => `${target} refused the connection`],
  [
    /^(ECONNRESET|EPIPE)/,
    (target) => `${target} closed the connection before its answer was complete`,
  ],
  [
    /CERT|UNABLE_TO_|ISSUER|CRL_|HOSTNAME_MISMATCH/,
    (target) => `the certificate of ${target} cannot be trusted (ca_file says whom to trust)`,
  ],
  [/^(ERR_SSL|ERR_TLS|EPROTO|ERR_OSSL)/, (target) => `TLS with ${target} failed`],
  [/^E(TIMEDOUT|HOST|NET|ADDR)/, (target) => `${target} cannot be reached`],
];

/** The code of what Node reported. Its text is not for others: it may hold what the peer sent. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}

/** What a code says of the connection to `target`; undefined when it says nothing of that. */
export function connectionFailure(code: string, target: string): string | undefined {
  return KINDS.find(([pattern]) => pattern.test(code))?.[1](target);
}
