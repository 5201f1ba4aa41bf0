/** How names become addresses. */
import { type LookupAddress, lookup } from 'node:dns';
import { promisify } from 'node:util';

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

/** As other programs of the host resolve: /etc/hosts, then DNS. */
export const resolveName: Resolve = (hostname) => promisify(lookup)(hostname, { all: true });
