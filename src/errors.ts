/**
 * Every error of postern has a code. The message of each error says what is wrong, where, and what
 * to do; this table says what each code means. `docs/errors.md` is tested against it.
 */
export const ERRORS = {
  POSTERN_E_USAGE: 'The command line is not understood.',
  POSTERN_E_CONFIG: 'The configuration has errors; nothing of it was loaded.',
  POSTERN_E_CAPTURE: 'Packets cannot be captured: a right, a package or the interface is missing.',
  POSTERN_E_REDIS: 'The private redis-server is missing, did not start, or is out of reach.',
  POSTERN_E_CLUSTER: 'The cluster is out of reach, refuses this host, or refused what was asked.',
  POSTERN_E_STATE_DIR: 'The state folder cannot be used, or another postern is using it.',
  POSTERN_E_JOURNAL: 'An event could not be made durable in time, so nothing was done on it.',
  POSTERN_E_KEY: 'The key that authenticates events is missing, damaged or readable by others.',
  POSTERN_E_CONTROL: 'The running postern cannot be reached over its control socket.',
  POSTERN_E_KNOCK: 'A knock could not be handed to the network.',
  POSTERN_E_REPLAY: 'The capture file cannot be read.',
  POSTERN_E_ONE_TIME: 'A one-time sequence file cannot be read or rewritten.',
  POSTERN_E_INSTALL: 'postern cannot be installed or uninstalled there.',
  POSTERN_E_COMMAND: 'A command could not be run, failed, or ran too long.',
  POSTERN_E_NFT: 'The firewall could not be changed: nft, a right or a table is missing.',
  POSTERN_E_SINK: 'A sink of the configuration cannot be used.',
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** An error an operator can act on: printed as one line, without a stack trace. */
export class PosternError extends Error {
  override readonly name = 'PosternError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The text of anything thrown, for a message or a log line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
