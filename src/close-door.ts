/** `postern close`: what is open at a door for a source ends now, on this host and on the others. */
import { setTimeout as sleep } from 'node:timers/promises';
import { canonicalAddress } from '../config/address.js';
import { isShared } from '../config/commands.js';
import type { Door } from '../config/types.js';
import type { ClusterPart } from './cluster/part.js';
import type { ClusterGrantStatus, ClusterStatus } from './cluster/status.js';
import type { CloseReply, CloseRequest, ForgetReply } from './control/protocol.js';
import { PosternError, reasonOf } from './errors.js';
import type { Grants } from './jobs/types.js';

export interface CloseOptions {
  /** This host's name. */
  readonly host: string;
  readonly grants: Pick<Grants, 'revoke' | 'status'>;
  /** Absent: this host is in no cluster. */
  readonly cluster: Pick<ClusterPart, 'revoke' | 'forget' | 'status'> | undefined;
  /** The door of that name in the running configuration. */
  readonly doorHere: (name: string) => Door | undefined;
}

/** How long the others may take to say that they closed: then it is said that they have not. */
const CLOSED_WITHIN_MS = 3000;
/** What opened elsewhere a moment ago is known here by then. */
const KNOWN_WITHIN_MS = 1000;
const LOOK_EVERY_MS = 50;

/**
 * Closes here, tells the other hosts, and waits some seconds until they have done it.
 * @throws PosternError POSTERN_E_CONTROL for a source that is no address, or a host that is not there
 */
export async function closeDoor(asked: CloseRequest, options: CloseOptions): Promise<CloseReply> {
  const source = canonicalAddress(asked.source);
  if (source === undefined) throw refusal('a source is an IPv4 or IPv6 address');
  const { host, cluster, grants, doorHere } = options;
  checkHost(asked.host, options);
  const isForAll = opensForAll(doorHere(asked.door), source);
  const isMeant = (grant: { readonly door: string; readonly source: string }) =>
    grant.door === asked.door && (isForAll || grant.source === source);
  const isHereMeant = asked.host === undefined || asked.host === host;
  const tellsOthers = cluster !== undefined && asked.host !== host;
  const [closed, others] = await Promise.all([
    isHereMeant ? grants.revoke(asked.door, source) : 0,
    tellsOthers
      ? closeElsewhere(cluster, { ...asked, source }, (grant) => {
          const isThere = asked.host === undefined || grant.host === asked.host;
          return grant.host !== host && isThere && isMeant(grant);
        })
      : undefined,
  ]);
  const left = isHereMeant ? grants.status().filter(isMeant).length : 0;
  const messages = [...hereLines(host, closed, left), ...(others?.lines ?? [])];
  const found = closed + left + (others?.found ?? 0);
  if (found === 0) messages.unshift(nothingOpen(asked, doorHere(asked.door) !== undefined));
  const isDone = found > 0 && left === 0 && others?.isDone !== false;
  return { closed, isDone, messages, ...(others && { cluster: others.cluster }) };
}

/**
 * A host that will not come back is shown no more.
 * @throws PosternError POSTERN_E_CLUSTER while the cluster is out of reach; POSTERN_E_CONTROL for a host
 *   that is not there, or is alive
 */
export async function forgetHost(
  name: string,
  { host, cluster }: Pick<CloseOptions, 'host' | 'cluster'>,
): Promise<ForgetReply> {
  if (cluster === undefined) throw refusal('this host is in no cluster');
  const { state, reason, hosts } = cluster.status();
  if (name === host) throw refusal(`${name} is this host, which is alive`);
  // A host that is refused knows nobody, and forgetting whoever refuses it lets it in again.
  if (state === 'refused') {
    await cluster.forget(name);
    return { forgotten: name };
  }
  if (state !== 'joined')
    throw new PosternError('POSTERN_E_CLUSTER', reason ?? `this host is ${state}`);
  const known = hosts.find((each) => each.host === name);
  if (known === undefined) throw refusal(`${noHost(name)} ${namesOf(hosts)}`);
  if (known.state === 'alive')
    throw refusal(`${name} is alive and would be back at once; stop postern there first`);
  await cluster.forget(name);
  return { forgotten: name };
}

interface Elsewhere {
  readonly cluster: NonNullable<CloseReply['cluster']>;
  readonly found: number;
  readonly isDone: boolean;
  readonly lines: readonly string[];
}

async function closeElsewhere(
  cluster: NonNullable<CloseOptions['cluster']>,
  { door, source, host }: CloseRequest,
  isMeant: (grant: ClusterGrantStatus) => boolean,
): Promise<Elsewhere> {
  const open = () => cluster.status().grants.filter(isMeant);
  const seen = new Map(open().map((grant) => [keyOf(grant), grant]));
  try {
    await cluster.revoke(door, source, host);
  } catch (error) {
    const line = `the other hosts were not told: ${reasonOf(error)}`;
    return { cluster: 'out of reach', found: seen.size, isDone: false, lines: [line] };
  }
  const beganAt = performance.now();
  const passed = () => performance.now() - beganAt;
  let left = open();
  while (passed() < (seen.size === 0 ? KNOWN_WITHIN_MS : CLOSED_WITHIN_MS)) {
    await sleep(LOOK_EVERY_MS);
    left = open();
    for (const grant of left) seen.set(keyOf(grant), grant);
    if (seen.size > 0 && left.every(isOfAbsent(cluster.status()))) break;
  }
  const lines = elsewhereLines([...seen.values()], left, cluster.status());
  return { cluster: 'told', found: seen.size, isDone: left.length === 0, lines };
}

/** Nobody waits for a host that is away; one that is not known yet has just begun. */
function isOfAbsent({ hosts }: ClusterStatus): (grant: ClusterGrantStatus) => boolean {
  return (grant) => hosts.some(({ host, state }) => host === grant.host && state !== 'alive');
}

function keyOf({ grant, host }: ClusterGrantStatus): string {
  return JSON.stringify([host, grant]);
}

function hereLines(host: string, closed: number, left: number): readonly string[] {
  return [
    ...(closed > 0 ? [`${host}: closed${times(closed)}`] : []),
    ...(left > 0 ? [`${host}: NOT CLOSED YET${times(left)}; see postern status`] : []),
  ];
}

function elsewhereLines(
  seen: readonly ClusterGrantStatus[],
  left: readonly ClusterGrantStatus[],
  status: ClusterStatus,
): readonly string[] {
  const open = new Set(left.map(keyOf));
  const isAbsent = isOfAbsent(status);
  return [...new Set(seen.map(({ host }) => host))].sort().flatMap((host) => {
    const there = seen.filter((grant) => grant.host === host);
    const opened = there.filter((grant) => open.has(keyOf(grant)));
    const closed = there.length - opened.length;
    const fate = opened.every(isAbsent)
      ? 'told, but it is away: it closes when it comes back'
      : 'told, but NOT CLOSED YET; see postern status';
    return [
      ...(closed > 0 ? [`${host}: closed${times(closed)}`] : []),
      ...(opened.length > 0 ? [`${host}: ${fate}`] : []),
    ];
  });
}

function times(count: number): string {
  return count === 1 ? '' : ` ${count} openings`;
}

function nothingOpen({ door, source, host }: CloseRequest, isKnown: boolean): string {
  const where = host === undefined ? '' : ` on ${host}`;
  const unknown = isKnown ? '' : '; there is no door of that name here';
  return `nothing is open at door [${door}] for ${source}${where}${unknown}`;
}

/** The door opens for everyone (G9), so that whoever it was opened for is meant. */
function opensForAll(door: Door | undefined, source: string): boolean {
  return door !== undefined && isShared(door, source.includes(':') ? 6 : 4);
}

function checkHost(asked: string | undefined, { host, cluster }: CloseOptions): void {
  if (asked === undefined || asked === host) return;
  if (cluster === undefined) throw refusal(`this host, ${host}, is in no cluster`);
  const { state, hosts } = cluster.status();
  const isKnown = hosts.some((each) => each.host === asked);
  // While the cluster is out of reach that is said instead.
  if (state === 'joined' && !isKnown) throw refusal(`${noHost(asked)} ${namesOf(hosts)}`);
}

function noHost(name: string): string {
  return `there is no host ${name} in the cluster; its hosts are`;
}

function namesOf(hosts: ClusterStatus['hosts']): string {
  return hosts.map(({ host }) => host).join(', ');
}

function refusal(message: string): PosternError {
  return new PosternError('POSTERN_E_CONTROL', message);
}
