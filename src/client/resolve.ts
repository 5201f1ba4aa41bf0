import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { PosternError } from '../errors.js';

export type Family = 4 | 6;

export interface Address {
  readonly address: string;
  readonly family: Family;
}

/** What `dns.lookup` of node does; tests inject their own. */
export type Lookup = (host: string, options: { family: 0 | Family }) => Promise<LookupAnswer>;

interface LookupAnswer {
  readonly address: string;
  readonly family: number;
}

/** What getaddrinfo(3) says, in its own words, for the codes that node passes on. */
const GETADDRINFO: Record<string, string> = {
  ENOTFOUND: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
  EAI_FAIL: 'Non-recoverable failure in name resolution',
  EAI_NODATA: 'No address associated with hostname',
};

/**
 * The one address that a whole sequence goes to: the first the resolver gives, of the family asked
 * for. Throws POSTERN_E_KNOCK when there is none.
 */
export async function resolveHost(
  host: string,
  family: Family | undefined,
  find: Lookup = lookup,
): Promise<Address> {
  const literal = isIP(host);
  if (literal !== 0 && family !== undefined && literal !== family)
    throw unresolved(host, 'Address family for hostname not supported');
  if (literal === 4 || literal === 6) return { address: host, family: literal };
  try {
    const found = await find(host, { family: family ?? 0 });
    return { address: found.address, family: found.family === 6 ? 6 : 4 };
  } catch (error) {
    const code = codeOf(error);
    throw unresolved(host, GETADDRINFO[code] ?? code);
  }
}

function unresolved(host: string, reason: string): PosternError {
  const text = `Failed to resolve hostname '${host}'\ngetaddrinfo: ${reason}`;
  return new PosternError('POSTERN_E_KNOCK', text);
}

/** The code of a system error (`ENETUNREACH`); its message would repeat address and port. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string')
    return error.code;
  return error instanceof Error ? error.name : String(error);
}
