/** The addresses of this host's interfaces. */
import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import ipaddr from 'ipaddr.js';
import { addressText } from './address.js';

/** Canonical addresses by interface name. */
export type Addresses = ReadonlyMap<string, readonly string[]>;

const ASK_WITHIN_MS = 2000;

/**
 * Of the interfaces that are running. The kernel says so only up to a second after a link came up
 * (its link watch is rate limited), though packets arrive before; `askAddresses` does not wait.
 */
export function runningAddresses(): Addresses {
  const byName = new Map<string, string[]>();
  for (const [label, infos] of Object.entries(os.networkInterfaces())) {
    // `eth0:1`, the label of a further IPv4 address, is eth0.
    const name = label.replace(/:.*$/, '');
    const own = byName.get(name) ?? [];
    byName.set(name, own);
    for (const { address } of infos ?? []) own.push(canonical(address));
  }
  return byName;
}

/**
 * Of all interfaces, running or not, by `ip address`. Never rejects: without an answer it is empty,
 * and the addresses are known as soon as the kernel says that their interface is running.
 */
export async function askAddresses(): Promise<Addresses> {
  const byName = new Map<string, string[]>();
  try {
    const argv = ['-oneline', 'address', 'show'];
    const { stdout } = await promisify(execFile)('ip', argv, { timeout: ASK_WITHIN_MS });
    // `2: eth0    inet 192.0.2.1/24 brd …`; a peer's address stands behind the own one.
    for (const [, name = '', address = ''] of stdout.matchAll(/^\d+: (\S+) +inet6? ([^ /]+)/gm)) {
      byName.set(name, [...(byName.get(name) ?? []), canonical(address)]);
    }
  } catch {
    byName.clear();
  }
  return byName;
}

/** The text that packets' addresses have. No packet carries the zone of a link-local address. */
export function canonical(address: string): string {
  const parsed = ipaddr.parse(address.replace(/%.*$/, ''));
  const v6 = parsed.kind() === 'ipv6' ? parsed : ipaddr.parse(`::ffff:${parsed.toString()}`);
  return addressText(Uint8Array.from(v6.toByteArray()));
}
