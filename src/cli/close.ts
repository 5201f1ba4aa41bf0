/** `postern close DOOR SOURCE`: what is open there ends now. */
import { canonicalAddress } from '../../config/address.js';
import { escapeControls } from '../../config/diagnostics.js';
import { ask } from '../control/client.js';
import { PosternError } from '../errors.js';

export interface CloseCommand {
  readonly door: string;
  readonly source: string;
  /** That host alone; absent: every host of the cluster. */
  readonly host?: string | undefined;
  readonly json: boolean;
}

/**
 * Prints what was closed where, and gives the exit code: 1 when nothing was open, something is open
 * still, or hosts of the cluster could not be told.
 * @throws PosternError POSTERN_E_USAGE when the source is no address; POSTERN_E_CONTROL when nobody
 *   answers, or there is no such host
 */
export async function runClose(
  socket: string,
  { door, source, host, json }: CloseCommand,
): Promise<number> {
  if (canonicalAddress(source) === undefined)
    throw new PosternError(
      'POSTERN_E_USAGE',
      `close takes an IPv4 or IPv6 address, not ${JSON.stringify(source)}`,
    );
  const request = { command: 'close', door, source, host } as const;
  for await (const reply of ask(socket, request)) {
    if (!('closed' in reply)) continue;
    const lines = json ? [JSON.stringify(reply)] : reply.messages.map(escapeControls);
    process.stdout.write(`${lines.join('\n')}\n`);
    return reply.isDone ? 0 : 1;
  }
  throw new PosternError('POSTERN_E_CONTROL', 'postern ended before it answered; ask again');
}
