import type { Knock, Protocol } from '../../machines/types.js';
import { PosternError } from '../errors.js';

/**
 * Reads one `PORT[:PROTO]` of the command line. Throws POSTERN_E_USAGE that names the hit by its
 * position (1-based): an unknown protocol word is an error, where knock(1) takes it for TCP.
 */
export function parseHit(text: string, position: number, fallback: Protocol): Knock {
  const colon = text.indexOf(':');
  const port = colon < 0 ? text : text.slice(0, colon);
  const protocol = colon < 0 ? fallback : text.slice(colon + 1).toLowerCase();
  if (protocol !== 'tcp' && protocol !== 'udp')
    throw usage(position, 'the protocol must be tcp or udp, as in PORT:udp');
  if (!/^\d{1,5}$/.test(port) || !isPort(Number(port)))
    throw usage(position, 'the port must be a number from 1 to 65535');
  return { port: Number(port), protocol };
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65535;
}

/** The argument itself is not repeated: terminals and logs keep what errors say. */
function usage(position: number, reason: string): PosternError {
  return new PosternError('POSTERN_E_USAGE', `hit ${position}: ${reason}`);
}
