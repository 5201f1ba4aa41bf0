/**
 * Two hosts on one wire, for end-to-end tests: network namespaces `server` and `client`, joined by
 * a veth pair. Nothing outside the namespaces is touched, and `dispose` leaves nothing behind.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { endProcess, pidAlive, pidGone } from './processes.js';
import { mustRun, type RunOptions, type RunResult, run } from './run.js';

export type Side = 'server' | 'client';

/** What every network has; documentation addresses (RFC 5737) and unique local ones (RFC 4193). */
export const SERVER4 = '192.0.2.1';
export const CLIENT4 = '192.0.2.2';
export const SERVER6 = 'fd00:db8::1';
export const CLIENT6 = 'fd00:db8::2';

export interface NetworkOptions {
  /** Further addresses of the client: dotted quads in 192.0.2.0/24, IPv6 in fd00:db8::/64. */
  readonly clientAddresses?: readonly string[];
}

export interface Network {
  /** Names of the namespaces, for `ip netns exec`. */
  readonly namespaces: Readonly<Record<Side, string>>;
  /** Names of the veth ends; at most 15 characters. */
  readonly interfaces: Readonly<Record<Side, string>>;
  /** Adds an address with the prefix length of its network (/24 or /64). */
  addAddress(side: Side, address: string): Promise<void>;
  /** Runs a command to its end in a namespace. */
  exec(side: Side, argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Like `exec`, but rejects when the command does not exit 0; gives its standard output. */
  must(side: Side, argv: readonly string[], options?: RunOptions): Promise<string>;
  /**
   * Starts a command in a namespace; its pid is the command's own. Standard input is closed,
   * output and errors are piped unless `options` say otherwise. Ended by `dispose`.
   */
  spawn(side: Side, argv: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Whether a TCP connection from that side is accepted within the time (ms; 250 by default). */
  connects(side: Side, address: string, port: number, timeoutMs?: number): Promise<boolean>;
  /** Ends everything that runs in the namespaces and removes them. Never throws. */
  dispose(): Promise<void>;
}

/** Names carry the pid of their maker, so that what a killed run left can be told and removed. */
const NAME = /^pt(\d+)n\d+[sc]$/;
const live = new Set<string>();
let made = 0;

// A run that is aborted before its `after` hooks must not leave namespaces either.
process.once('exit', () => {
  for (const name of live) spawnSync('ip', ['netns', 'del', name]);
});

/** Makes the two namespaces. Needs root (`requireRoot`). Rejects with what `ip` said. */
export async function createNetwork(options: NetworkOptions = {}): Promise<Network> {
  if (made === 0) await removeStale();
  made += 1;
  const base = `pt${process.pid}n${made}`;
  const names = { server: `${base}s`, client: `${base}c` };
  const network = networkIn(names, names);
  live.add(names.server).add(names.client);
  try {
    await join(names);
    for (const address of options.clientAddresses ?? [])
      await network.addAddress('client', address);
  } catch (error) {
    await network.dispose();
    throw error;
  }
  return network;
}

async function join(names: Record<Side, string>): Promise<void> {
  const { server, client } = names;
  // A veth end is named like the namespace it lives in.
  const wire = `link add ${server} netns ${server} type veth peer name ${client} netns ${client}`;
  const lines = [`netns add ${server}`, `netns add ${client}`, wire];
  await mustRun(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  await Promise.all([bringUp(server, SERVER4, SERVER6), bringUp(client, CLIENT4, CLIENT6)]);
}

async function bringUp(name: string, address4: string, address6: string): Promise<void> {
  // Duplicate address detection would hold IPv6 back for a second or two.
  const quiet = ['accept_dad', 'dad_transmits'].map((key) => `net.ipv6.conf.${name}.${key}=0`);
  await mustRun(['ip', 'netns', 'exec', name, 'sysctl', '-qw', ...quiet]);
  const lines = [
    `addr add ${address4}/24 dev ${name}`,
    `addr add ${address6}/64 dev ${name} nodad`,
    'link set lo up',
    `link set ${name} up`,
  ];
  await mustRun(['ip', '-n', name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

/** Two namespaces that are there, as a network, and the names that their interfaces have. */
export function networkIn(
  names: Readonly<Record<Side, string>>,
  interfaces: Readonly<Record<Side, string>>,
): Network {
  const children = new Set<ChildProcess>();
  const inside = (side: Side, argv: readonly string[]) => [
    'ip',
    'netns',
    'exec',
    names[side],
    ...argv,
  ];
  return {
    namespaces: names,
    interfaces,
    async addAddress(side, address) {
      const prefix = address.includes(':') ? ['64', 'nodad'] : ['24'];
      const [length, ...flags] = prefix;
      const rest = [`${address}/${length}`, 'dev', interfaces[side], ...flags];
      await mustRun(['ip', '-n', names[side], 'addr', 'add', ...rest]);
    },
    exec: (side, argv, options) => run(inside(side, argv), options),
    must: (side, argv, options) => mustRun(inside(side, argv), options),
    spawn(side, argv, options = {}) {
      const [, ...rest] = inside(side, argv);
      const child = spawn('ip', rest, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
      children.add(child);
      child.once('exit', () => children.delete(child));
      return child;
    },
    async connects(side, address, port, timeoutMs = 250) {
      const script = 'exec 3<>"/dev/tcp/$0/$1"';
      const argv = inside(side, ['bash', '-c', script, address, String(port)]);
      return (await run(argv, { timeoutMs })).code === 0;
    },
    async dispose() {
      await Promise.all([...children].map((child) => endProcess(child)));
      await Promise.all(Object.values(names).map((name) => removeNamespace(name)));
    },
  };
}

/** Ends what still runs in a namespace of ours and removes it. Never throws. */
async function removeNamespace(name: string): Promise<void> {
  try {
    const { stdout } = await run(['ip', 'netns', 'pids', name]);
    const pids = stdout.split('\n').filter(Boolean).map(Number);
    for (const pid of pids) killHard(pid);
    await Promise.all(pids.map((pid) => pidGone(pid)));
    await run(['ip', 'netns', 'del', name]);
  } catch {
    // No `ip` on this machine: then there is no namespace either.
  }
  live.delete(name);
}

function killHard(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

/** Removes the namespaces of test runs that were killed: their maker's pid is no more. */
async function removeStale(): Promise<void> {
  const { stdout } = await run(['ip', 'netns', 'list']);
  for (const line of stdout.split('\n')) {
    const name = line.split(' ')[0] ?? '';
    const maker = NAME.exec(name)?.[1];
    if (maker !== undefined && !pidAlive(Number(maker))) await removeNamespace(name);
  }
}
