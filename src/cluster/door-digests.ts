/** Whether hosts have the same doors, told without showing what the doors are (DESIGN 9). */
import type { AllowRule, Configuration, Door } from '../../config/types.js';
import { digest } from '../journal/key.js';
import type { ClusterKeys } from './types.js';

/** 96 bits. */
const LENGTH = 16;

type Doors = Pick<Configuration, 'doors'>;
type Digests = Readonly<Record<string, string>>;

const computed = new WeakMap<Doors, { readonly keys: ClusterKeys; readonly digests: Digests }>();

/**
 * Of each door what must be the same on all hosts, as keyed digests: one under each key, so that
 * hosts amid a rotation have one in common. What a host may have for itself (address, commands and
 * how long those may take) is left out. Computed once for a configuration and its keys.
 */
export function doorDigests(configuration: Doors, keys: ClusterKeys): Digests {
  const known = computed.get(configuration);
  if (known?.keys === keys) return known.digests;
  const digests = Object.fromEntries(
    configuration.doors.map((door): [string, string] => {
      const text = JSON.stringify([door.name, ...sharedParts(door)]);
      const each = keys.all.map((key) => digest(key, 'door', text).slice(0, LENGTH));
      return [door.name, each.join(' ')];
    }),
  );
  computed.set(configuration, { keys, digests });
  return digests;
}

/** How two hosts' doors differ, by name. */
export interface DoorDifferences {
  readonly missingHere: readonly string[];
  readonly missingThere: readonly string[];
  readonly differ: readonly string[];
}

export function compareDoors(
  here: ReadonlyMap<string, string>,
  there: ReadonlyMap<string, string>,
): DoorDifferences {
  const missingHere = [...there.keys()].filter((name) => !here.has(name));
  const missingThere = [...here.keys()].filter((name) => !there.has(name));
  const differ = [...here].flatMap(([name, ours]) => {
    const theirs = there.get(name);
    return theirs === undefined || haveCommon(ours, theirs) ? [] : [name];
  });
  return { missingHere, missingThere, differ };
}

function haveCommon(a: string, b: string): boolean {
  const digests = new Set(a.split(' '));
  return b.split(' ').some((one) => digests.has(one));
}

function sharedParts(door: Door): readonly unknown[] {
  const { sequence, tcpFlags, allow } = door;
  return [
    // Each host has its own file of one-time sequences, and they are used up at another pace.
    sequence.kind === 'oneTime'
      ? 'one-time'
      : sequence.knocks.map(({ port, protocol }) => [port, protocol]),
    [tcpFlags.required, tcpFlags.excluded],
    allow.map(textOf).sort(),
    [door.seqTimeoutMs, door.cmdTimeoutMs, door.cooldownMs],
    [door.killEstablished, door.reknock, door.runOn],
  ];
}

function textOf({ protocol, from, to }: AllowRule): string {
  return `${protocol}:${from}-${to}`;
}
