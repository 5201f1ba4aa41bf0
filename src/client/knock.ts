import { setTimeout } from 'node:timers/promises';
import type { Knock } from '../../machines/types.js';
import { PosternError } from '../errors.js';
import { nextHopFound } from './neighbour.js';
import { type Family, type Lookup, resolveHost } from './resolve.js';
import { sendHit } from './send.js';

export interface KnockOptions {
  /** A name or an address. A name is resolved once, and one address gets the whole sequence. */
  readonly host: string;
  readonly hits: readonly Knock[];
  /** Milliseconds between two hits. */
  readonly delayMs: number;
  /** Absent: whichever the resolver gives first. */
  readonly family?: Family;
  /** Called just before each hit is sent. */
  readonly onHit?: (hit: Knock, address: string) => void;
  /** In place of the system's resolver. */
  readonly lookup?: Lookup;
}

/**
 * Knocks: one SYN or one datagram a hit, in the order given, none ever repeated. Resolves when every
 * packet was handed to the network; what the network answers (refused, unreachable by a router's
 * word) does not matter. Rejects with POSTERN_E_KNOCK, naming the hit by position, when one was not;
 * those after it are then not sent.
 */
export async function knock(options: KnockOptions): Promise<void> {
  const { host, hits, delayMs, onHit } = options;
  const to = await resolveHost(host, options.family, options.lookup);
  for (const [index, hit] of hits.entries()) {
    if (index > 0 && delayMs > 0) await setTimeout(delayMs);
    onHit?.(hit, to.address);
    const failure = await sendHit(to, hit);
    if (failure !== undefined) throw unsent(index + 1, hits.length, failure);
  }
  if (!(await nextHopFound(to))) throw unsent(1, hits.length, 'EHOSTUNREACH');
}

const REASONS: Record<string, string> = {
  ENETUNREACH: 'there is no route to that network',
  EHOSTUNREACH: 'no route to that host, or nothing answers for it on the local network',
  EPERM: 'a firewall of this host forbids it',
  EACCES: 'a firewall or a route of this host forbids it',
  EADDRNOTAVAIL: 'this host has no address to send from',
};

function unsent(position: number, count: number, code: string): PosternError {
  const reason = REASONS[code];
  const why = reason === undefined ? code : `${reason} (${code})`;
  const text = `hit ${position} of ${count} was not handed to the network: ${why}`;
  return new PosternError('POSTERN_E_KNOCK', text);
}
