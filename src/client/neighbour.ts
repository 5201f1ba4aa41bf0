/**
 * A packet to a neighbour whose link address is not known yet waits in the kernel, and is thrown
 * away when nobody answers for that address (three seconds later). Nothing on a closed socket tells
 * so; the kernel's neighbour table does.
 */
import { execFile } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Address } from './resolve.js';

const POLL_MS = 50;
/** Three ARP or neighbour discovery requests a second apart, and some slack. */
const LIMIT_MS = 4_500;

const execute = promisify(execFile);

/**
 * Waits while the next hop towards an address is being looked for. False when it was not found:
 * what was sent never left. True when it was, or where nothing can tell (no `ip` command).
 */
export async function nextHopFound(to: Address): Promise<boolean> {
  const route = await routeTo(to);
  const device = route?.['dev'];
  const hop = route?.['gateway'] ?? route?.['dst'];
  // A route to this host itself has no neighbour.
  if (typeof device !== 'string' || typeof hop !== 'string' || device === 'lo') return true;
  const started = performance.now();
  for (;;) {
    const [entry] = await ip(to.family, ['neigh', 'show', 'to', hop, 'dev', device]);
    const states: readonly unknown[] = Array.isArray(entry?.['state']) ? entry['state'] : [];
    if (states.includes('FAILED')) return false;
    if (!states.includes('INCOMPLETE')) return true;
    if (performance.now() - started > LIMIT_MS) return false;
    await setTimeout(POLL_MS);
  }
}

/** Whether this host has a route to the address; false also where nothing can tell. */
export async function hasRoute(to: Address): Promise<boolean> {
  return (await routeTo(to))?.['dev'] !== undefined;
}

async function routeTo({ address, family }: Address): Promise<Row | undefined> {
  const words = ['route', 'get', address.replace(/%.*/, ''), ...scope(address)];
  return (await ip(family, words))[0];
}

function scope(address: string): string[] {
  const [, device] = address.split('%');
  return device === undefined ? [] : ['dev', device];
}

type Row = Partial<Record<string, unknown>>;

/** Rows of `ip -j …`; none where the command is missing or fails: then nothing is known. */
async function ip(family: 4 | 6, words: readonly string[]): Promise<readonly Row[]> {
  try {
    const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
    const env = { ...process.env, PATH: path };
    const { stdout } = await execute('ip', [`-${family}`, '-j', ...words], { env, timeout: 2_000 });
    const rows: unknown = JSON.parse(stdout || '[]');
    return Array.isArray(rows) ? rows : [];
  } catch {
    return [];
  }
}
