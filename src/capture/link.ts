/** Whether an interface is there to capture on, and which one to take when none is named (G8). */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** The name that stands for every interface. */
export const ANY = 'any';

const IFF_UP = 1;

/** Why nothing can be captured on an interface now. */
export interface Absence {
  /** In words, for the operator. */
  readonly reason: string;
  /** False when it only looks so: /sys may show another network namespace's interfaces. */
  readonly certain: boolean;
}

/** Undefined when capturing can be tried. */
export function absenceOf(name: string): Absence | undefined {
  if (name === ANY) return undefined;
  if (!interfaceNames().includes(name))
    return { reason: `there is no interface ${name}`, certain: true };
  const flags = Number(readOr(`/sys/class/net/${name}/flags`, '1'));
  return (flags & IFF_UP) === 0
    ? { reason: `the interface ${name} is down`, certain: false }
    : undefined;
}

/** Whether frames of the interface begin with an Ethernet header (ARPHRD_ETHER). */
export function isEthernet(name: string): boolean {
  return readOr(`/sys/class/net/${name}/type`, '1').trim() === '1';
}

/**
 * The interfaces to capture on (G8): those configured; with none, eth0 if there is one, else that
 * of the default route, else eth0, to be waited for. `any` stands alone, for it covers the others.
 */
export async function chooseInterfaces(
  configured: readonly string[] | undefined,
): Promise<readonly string[]> {
  if (configured !== undefined && configured.length > 0)
    return configured.includes(ANY) ? [ANY] : [...new Set(configured)];
  if (interfaceNames().includes('eth0')) return ['eth0'];
  return [(await defaultRoute4()) ?? (await defaultRoute6()) ?? 'eth0'];
}

/** Of this process's network namespace; /sys may show another's. */
function interfaceNames(): string[] {
  const lines = readOr('/proc/net/dev', '').split('\n').slice(2);
  return lines.flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []);
}

/** Columns: Iface Destination Gateway Flags RefCnt Use Metric Mask. */
async function defaultRoute4(): Promise<string | undefined> {
  const rows = await table('/proc/net/route');
  return leastMetric(
    rows
      .filter((row) => row[1] === '00000000' && row[7] === '00000000')
      .map((row) => ({ name: row[0], metric: Number(row[6]) })),
  );
}

/** Columns: destination, prefix, source, prefix, next hop, metric, references, uses, flags, device. */
async function defaultRoute6(): Promise<string | undefined> {
  const rows = await table('/proc/net/ipv6_route');
  return leastMetric(
    rows
      .filter((row) => /^0{32}$/.test(row[0] ?? '') && row[1] === '00' && row[9] !== 'lo')
      .map((row) => ({ name: row[9], metric: Number.parseInt(row[5] ?? '', 16) })),
  );
}

function leastMetric(
  routes: readonly { name: string | undefined; metric: number }[],
): string | undefined {
  return [...routes].sort((a, b) => a.metric - b.metric)[0]?.name;
}

async function table(path: string): Promise<string[][]> {
  // Not there when the kernel has no IPv6.
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').map((line) => line.trim().split(/\s+/));
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone between two looks, or not there at all.
    return otherwise;
  }
}
