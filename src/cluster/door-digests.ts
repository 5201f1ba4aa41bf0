/** Whether hosts have the same doors, told without showing what the doors are (DESIGN 9). */
import type { AllowRule, Configuration, Door } from '../../config/types.js';
import { digest } from '../journal/key.js';
import type { ClusterKeys } from './types.js';

/** 96 bits. */
const LENGTH = 16;

/**
 * Of each door what must be the same on all hosts, as keyed digests: one under each key, so that
 * hosts amid a rotation have one in common. What a host may have for itself (address, commands and
 * how long those may take) is left out.
 */
export function doorDigests(
  { doors }: Pick<Configuration, 'doors'>,
  keys: ClusterKeys,
): Record<string, string> {
  return Object.fromEntries(
    doors.map((door): [string, string] => {
      const text = JSON.stringify([door.name, ...sharedParts(door)]);
      const digests = keys.all.map((key) => digest(key, 'door', text).slice(0, LENGTH));
      return [door.name, digests.join(' ')];
    }),
  );
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
